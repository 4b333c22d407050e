// What the attention kernels on tensor cores share: rows of HEAD channels (a multiple of 8), padded with zeros to CHANNELS.
// tiles.cuh says which lane holds what.
#pragma once
#include "attention.cuh"
#include "tiles.cuh"

static constexpr int THREADS = WARPS * WARP;
static constexpr int CHANNELS = (HEAD + 15) / 16 * 16;
static constexpr int PITCH = tile_pitch(CHANNELS);

extern __shared__ Bits128 shared_memory[];

// Starts to copy rows first .. first + ROWS - 1 of a head to shared memory; rows from `end` on become zeros.
template <int ROWS>
DEVICE void start_rows(bf16* tile, const bf16* rows, int64 stride, int first, int end)
{
    start_rows<ROWS, CHANNELS, THREADS>(tile, rows, stride, first, end, HEAD);
}

// Hides what lies outside of columns from .. to - 1 of row 8 i + lane_row().
template <int M, int N>
DEVICE void hide_columns(float (&s)[M][N / 8][4], int i, int from, int to)
{
#pragma unroll
    for (int n = 0; n < N / 8; n++)
    {
#pragma unroll
        for (int e = 0; e < 2; e++)
        {
            int column = n * 8 + lane_column() + e;
            float& score = s[i / 2][n][i % 2 * 2 + e];
            score = column >= from && column < to ? score : -infinity();
        }
    }
}

// Writes a lane's part of a row, or adds it to what is there.
DEVICE void put_row(bf16* row, const float (&sum)[CHANNELS / 8][4], int half, float factor, bool accumulate)
{
    bool in_pairs = (uint64)row % sizeof(uint32) == 0;
#pragma unroll
    for (int c = 0; c < HEAD / 8; c++)
    {
        bf16* to = row + c * 8 + lane_column();
        float low = sum[c][2 * half] * factor;
        float high = sum[c][2 * half + 1] * factor;
        if (in_pairs && !accumulate)
        {
            *reinterpret_cast<uint32*>(to) = pack_bf16(low, high);
        }
        else
        {
            put(to, low, accumulate);
            put(to + 1, high, accumulate);
        }
    }
}

// Writes the rows that this warp owns, `first` its first, up to row end - 1.
template <int M>
DEVICE void put_rows(
    bf16* rows, int64 stride, const float (&sum)[M][CHANNELS / 8][4], int first, int end, float factor,
    bool accumulate)
{
#pragma unroll
    for (int i = 0; i < 2 * M; i++)
    {
        int row = first + i * 8 + lane_row();
        if (row < end)
        {
            put_row(rows + row * stride, sum[i / 2], i % 2, factor, accumulate);
        }
    }
}
