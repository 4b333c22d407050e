// Products of tiles of TILE rows in float32 arithmetic, for attention with heads of any size. A block's 16x16 threads
// share a tile of scores: thread (ty, tx) holds those of rows ty + 16 i and columns tx + 16 j, and of sums over a
// tile's rows the channels 4 tx .. 4 tx + 3 of each 64. So the 16 lanes of half a warp own whole rows, and what they hand
// each other through shared memory needs no barrier of the block.
// Macros: ELEMENT, HEAD, TILE (16, 32 or 64).
#pragma once
#include "attention.cuh"

typedef ELEMENT Element;

static constexpr int SIDE = 16;
static constexpr int THREADS = SIDE * SIDE;
static constexpr int CHANNELS = (HEAD + 7) / 8 * 8;
static constexpr int OWN = TILE / SIDE;
static constexpr int COLUMNS = (CHANNELS + 4 * SIDE - 1) / (4 * SIDE);

// Floats from a row to the next: an odd number of 16-byte pieces, so that neighbouring rows lie in different banks.
static constexpr int PITCH = CHANNELS + 4;
static constexpr int WEIGHT_PITCH = TILE + 4;
static constexpr int TILE_FLOATS = TILE * PITCH;

typedef Packet<float, 4> Four;
typedef float Scores[OWN][OWN];
typedef float Sums[OWN][COLUMNS][4];

extern __shared__ Bits128 shared_memory[];

DEVICE int own_row() { return threadIdx.x / SIDE; }
DEVICE int own_column() { return threadIdx.x % SIDE; }

// Rows from `end` on and channels from HEAD on become zeros.
DEVICE void load_rows(float* tile, const Element* rows, int64 stride, int first, int end)
{
    for (int i = threadIdx.x; i < TILE * CHANNELS; i += THREADS)
    {
        int row = i / CHANNELS;
        int channel = i % CHANNELS;
        bool valid = first + row < end && channel < HEAD;
        tile[row * PITCH + channel] = valid ? to_float(rows[(first + row) * stride + channel]) : 0.f;
    }
}

// s = left right^T.
DEVICE void row_products(Scores& s, const float* left, const float* right)
{
#pragma unroll
    for (int i = 0; i < OWN * OWN; i++)
    {
        s[i / OWN][i % OWN] = 0.f;
    }

    for (int c = 0; c < CHANNELS; c += 4)
    {
        Four a[OWN], b[OWN];
#pragma unroll
        for (int i = 0; i < OWN; i++)
        {
            a[i] = Four::load(left + (own_row() + i * SIDE) * PITCH + c);
            b[i] = Four::load(right + (own_column() + i * SIDE) * PITCH + c);
        }

#pragma unroll
        for (int i = 0; i < OWN; i++)
        {
#pragma unroll
            for (int j = 0; j < OWN; j++)
            {
#pragma unroll
                for (int e = 0; e < 4; e++)
                {
                    s[i][j] = fused_multiply_add(a[i][e], b[j][e], s[i][j]);
                }
            }
        }
    }
}

// Hands this half warp's rows of weights to its lanes.
DEVICE void share_weights(float* weights, const Scores& s)
{
    warp_barrier();
#pragma unroll
    for (int i = 0; i < OWN; i++)
    {
#pragma unroll
        for (int j = 0; j < OWN; j++)
        {
            weights[(own_row() + i * SIDE) * WEIGHT_PITCH + own_column() + j * SIDE] = s[i][j];
        }
    }

    warp_barrier();
}

// sum += weights rows.
DEVICE void add_weighted_rows(Sums& sum, const float* weights, const float* rows)
{
    for (int key = 0; key < TILE; key += 4)
    {
        Four w[OWN];
#pragma unroll
        for (int i = 0; i < OWN; i++)
        {
            w[i] = Four::load(weights + (own_row() + i * SIDE) * WEIGHT_PITCH + key);
        }

#pragma unroll
        for (int e = 0; e < 4; e++)
        {
#pragma unroll
            for (int column = 0; column < COLUMNS; column++)
            {
                int channel = (column * SIDE + own_column()) * 4;
                if (channel >= CHANNELS)
                {
                    continue;
                }

                Four b = Four::load(rows + (key + e) * PITCH + channel);
#pragma unroll
                for (int i = 0; i < OWN; i++)
                {
#pragma unroll
                    for (int f = 0; f < 4; f++)
                    {
                        sum[i][column][f] = fused_multiply_add(w[i][e], b[f], sum[i][column][f]);
                    }
                }
            }
        }
    }
}

// Writes this thread's part of a row, or adds it to what is there.
DEVICE void put_row(Element* row, const float (&sum)[COLUMNS][4], float factor, bool accumulate)
{
#pragma unroll
    for (int i = 0; i < COLUMNS * 4; i++)
    {
        int channel = (i / 4 * SIDE + own_column()) * 4 + i % 4;
        if (channel < HEAD)
        {
            put(row + channel, sum[i / 4][i % 4] * factor, accumulate);
        }
    }
}

DEVICE void put_rows(Element* rows, int64 stride, const Sums& sum, int first, int end, float factor, bool accumulate)
{
#pragma unroll
    for (int i = 0; i < OWN; i++)
    {
        int row = first + own_row() + i * SIDE;
        if (row < end)
        {
            put_row(rows + row * stride, sum[i], factor, accumulate);
        }
    }
}
