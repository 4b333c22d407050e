// Products of tiles of bfloat16 rows on the tensor cores, for attention: HEAD channels (a multiple of 8), padded with
// zeros to CHANNELS. A warp owns tiles of 16 rows; with g = lane / 4 and t = lane % 4, a lane holds of each 16x8 piece
// of a result the elements [g][2t], [g][2t + 1], [g + 8][2t], [g + 8][2t + 1].
#pragma once
#include "attention.cuh"

static constexpr int THREADS = WARPS * WARP;
static constexpr int CHANNELS = (HEAD + 15) / 16 * 16;
static constexpr int STEPS = CHANNELS / 16;

// Elements from a row to the next in shared memory: an odd number of 16-byte pieces, so that the 8 rows that one
// matrix load reads lie in different banks.
static constexpr int PITCH = CHANNELS + 8;

extern __shared__ Bits128 shared_memory[];

DEVICE int lane_row() { return threadIdx.x % WARP / 4; }
DEVICE int lane_column() { return threadIdx.x % 4 * 2; }

// Starts to copy rows first .. first + ROWS - 1 of a head to shared memory; rows from `end` on become zeros.
template <int ROWS>
DEVICE void start_rows(bf16* tile, const bf16* rows, int64 stride, int first, int end)
{
    constexpr int pieces = CHANNELS / 8;
    constexpr int rows_at_once = THREADS / pieces;
    int row = threadIdx.x / pieces;
    int piece = threadIdx.x % pieces;
    const bf16* from = rows + (first + row) * stride + piece * 8;
    bf16* to = tile + row * PITCH + piece * 8;
    if (THREADS % pieces != 0 && row >= rows_at_once)
    {
        return;
    }

#pragma unroll
    for (int i = 0; i < ROWS; i += rows_at_once)
    {
        if (ROWS % rows_at_once == 0 || row + i < ROWS)
        {
            bool valid = first + row + i < end && piece * 8 < HEAD;
            copy_async16(to + i * PITCH, valid ? from + i * stride : rows, valid);
        }
    }
}

// The left operand of products: M tiles of 16 rows that this warp owns, kept in registers where those suffice.
template <int M, bool InRegisters>
struct LeftRows
{
    const bf16* lane;
    uint32 kept[InRegisters ? M * STEPS : 1][4];

    DEVICE explicit LeftRows(const bf16* rows)
        : lane(rows + threadIdx.x % 16 * PITCH + threadIdx.x % WARP / 16 * 8)
    {
#pragma unroll
        for (int i = 0; InRegisters && i < M * STEPS; i++)
        {
            load_matrices(kept[InRegisters ? i : 0], lane + i / STEPS * 16 * PITCH + i % STEPS * 16);
        }
    }

    DEVICE void get(uint32 (&a)[4], int tile, int step) const
    {
        if (InRegisters)
        {
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                a[i] = kept[InRegisters ? tile * STEPS + step : 0][i];
            }
        }
        else
        {
            load_matrices(a, lane + tile * 16 * PITCH + step * 16);
        }
    }
};

// s += left right^T, over the channels of N rows of `right`.
template <int M, int N, bool InRegisters>
DEVICE void row_products(float (&s)[M][N / 8][4], const LeftRows<M, InRegisters>& left, const bf16* right)
{
    const bf16* lane = right + (threadIdx.x % WARP / 16 * 8 + threadIdx.x % 8) * PITCH + threadIdx.x % 16 / 8 * 8;
#pragma unroll
    for (int step = 0; step < STEPS; step++)
    {
        uint32 a[M][4];
#pragma unroll
        for (int t = 0; t < M; t++)
        {
            left.get(a[t], t, step);
        }

#pragma unroll
        for (int n = 0; n < N / 8; n += 2)
        {
            uint32 b[4];
            load_matrices(b, lane + n * 8 * PITCH + step * 16);
#pragma unroll
            for (int t = 0; t < M; t++)
            {
                multiply_tiles(s[t][n], a[t], b[0], b[1], s[t][n]);
                multiply_tiles(s[t][n + 1], a[t], b[2], b[3], s[t][n + 1]);
            }
        }
    }
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

// sum += weights rows, with ROWS rows of CHANNELS channels.
template <int M, int ROWS>
DEVICE void add_weighted_rows(
    float (&sum)[M][CHANNELS / 8][4], const uint32 (&weights)[M][ROWS / 16][4], const bf16* rows)
{
    const bf16* lane = rows + threadIdx.x % 16 * PITCH + threadIdx.x % WARP / 16 * 8;
#pragma unroll
    for (int step = 0; step < ROWS / 16; step++)
    {
#pragma unroll
        for (int c = 0; c < CHANNELS / 8; c += 2)
        {
            uint32 b[4];
            load_matrices_transposed(b, lane + step * 16 * PITCH + c * 8);
#pragma unroll
            for (int t = 0; t < M; t++)
            {
                multiply_tiles(sum[t][c], weights[t][step], b[0], b[1], sum[t][c]);
                multiply_tiles(sum[t][c + 1], weights[t][step], b[2], b[3], sum[t][c + 1]);
            }
        }
    }
}

// Results of products rounded to the left operand of the next.
template <int M, int N>
DEVICE void round_weights(uint32 (&weights)[M][N / 16][4], const float (&s)[M][N / 8][4])
{
#pragma unroll
    for (int t = 0; t < M; t++)
    {
#pragma unroll
        for (int n = 0; n < N / 8; n++)
        {
            weights[t][n / 2][n % 2 * 2] = pack_bf16(s[t][n][0], s[t][n][1]);
            weights[t][n / 2][n % 2 * 2 + 1] = pack_bf16(s[t][n][2], s[t][n][3]);
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
