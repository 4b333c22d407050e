// Products of tiles of bfloat16 on tensor cores, for kernels whose warps own whole rows of a result.
//
// A product (multiply_tiles in device.cuh) takes 16 rows by 16 columns on the left and 16 rows by 8 columns on the right, and
// adds to 16 by 8 floats. Lane 4 g + t of the warp holds of the result rows g and g + 8, columns 2 t and 2 t + 1:
//
//     columns      0  1      2  3      4  5      6  7
//     row 0        lane 0    lane 1    lane 2    lane 3       d[0], d[1]
//     row 1        lane 4    lane 5    lane 6    lane 7
//     ...
//     row 7        lane 28   lane 29   lane 30   lane 31
//     row 8        lane 0    lane 1    lane 2    lane 3       d[2], d[3]
//     ...
//
// The left operand has this layout twice, for columns 0-7 and 8-15, with two elements in a register: a rounded result is a left
// operand as it stands (round_tiles).
//
// Rows in shared memory have Columns elements, a multiple of 16, and begin tile_pitch(Columns) elements apart; tiles begin at
// multiples of 16 bytes. A warp's part of x y^T, and of that times z, where y and z have 32 rows of 64 columns:
//
//   start_rows<32, 64, THREADS>(y_tile, y, y_stride, 0, rows, 64);      all threads of the block take part
//   copy_async_commit(); copy_async_wait<0>(); block_barrier();
//   LeftRows<1, 64, true> left(x_tile + warp * 16 * tile_pitch(64));
//   float scores[1][4][4] = {}, sums[1][8][4] = {};
//   multiply_rows<1, 32>(scores, left, y_tile);
//   uint32 rounded[1][2][4];
//   round_tiles<1, 32>(rounded, scores);
//   add_weighted_rows<1, 32>(sums, rounded, z_tile);
#pragma once
#include "prelude.cuh"

// An odd number of 16-byte pieces, so that the 8 rows that one matrix load reads lie in different banks.
DEVICE constexpr int tile_pitch(int columns) { return columns + 8; }

// This lane's first row, g, and the first of its two columns, 2 t.
DEVICE int lane_row() { return threadIdx.x % WARP / 4; }
DEVICE int lane_column() { return threadIdx.x % 4 * 2; }

// Operands of products, Count times Words registers. `read(words, i)` brings the i-th from shared memory: once, at the start,
// where there are registers to keep them all (Kept), and each time anew where not.
template <int Count, int Words, bool Kept, typename Read>
struct Operands
{
    Read read;
    uint32 kept[Kept ? Count : 1][Words];

    DEVICE explicit Operands(const Read& read) : read(read)
    {
#pragma unroll
        for (int i = 0; Kept && i < Count; i++)
        {
            read(kept[Kept ? i : 0], i);
        }
    }

    DEVICE void get(uint32 (&words)[Words], int i) const
    {
        if constexpr (Kept)
        {
#pragma unroll
            for (int k = 0; k < Words; k++)
            {
                words[k] = kept[i][k];
            }
        }
        else
        {
            read(words, i);
        }
    }
};

// Reads a tile of 16 rows and 16 columns as a left operand: the i-th is tile i / (Columns / 16) from the top.
template <int Columns>
struct ReadLeft
{
    static constexpr int Pitch = tile_pitch(Columns);
    static constexpr int Steps = Columns / 16;

    const bf16* lane;

    DEVICE explicit ReadLeft(const bf16* rows) : lane(rows + threadIdx.x % 16 * Pitch + threadIdx.x % WARP / 16 * 8) {}

    DEVICE void operator()(uint32 (&words)[4], int i) const
    {
        load_matrices(words, lane + i / Steps * 16 * Pitch + i % Steps * 16);
    }
};

// M tiles of 16 rows that this warp owns, as the left operand of products over Columns columns.
template <int M, int Columns, bool Kept>
struct LeftRows : Operands<M * (Columns / 16), 4, Kept, ReadLeft<Columns>>
{
    DEVICE explicit LeftRows(const bf16* rows) : Operands<M * (Columns / 16), 4, Kept, ReadLeft<Columns>>(ReadLeft<Columns>(rows)) {}
};

// d += left right^T, over the columns of N rows of `right`.
template <int M, int N, int Columns, bool Kept>
DEVICE void multiply_rows(float (&d)[M][N / 8][4], const LeftRows<M, Columns, Kept>& left, const bf16* right)
{
    static_assert(N % 16 == 0 && Columns % 16 == 0, "tiles are read in pairs");
    constexpr int pitch = tile_pitch(Columns);
    constexpr int steps = Columns / 16;
    const bf16* lane = right + (threadIdx.x % WARP / 16 * 8 + threadIdx.x % 8) * pitch + threadIdx.x % 16 / 8 * 8;
#pragma unroll
    for (int step = 0; step < steps; step++)
    {
        uint32 a[M][4];
#pragma unroll
        for (int m = 0; m < M; m++)
        {
            left.get(a[m], m * steps + step);
        }

#pragma unroll
        for (int n = 0; n < N / 8; n += 2)
        {
            uint32 b[4];
            load_matrices(b, lane + n * 8 * pitch + step * 16);
#pragma unroll
            for (int m = 0; m < M; m++)
            {
                multiply_tiles(d[m][n], a[m], b[0], b[1], d[m][n]);
                multiply_tiles(d[m][n + 1], a[m], b[2], b[3], d[m][n + 1]);
            }
        }
    }
}

// sum += weights rows, with Rows rows.
template <int M, int Rows, int Eighths>
DEVICE void add_weighted_rows(float (&sum)[M][Eighths][4], const uint32 (&weights)[M][Rows / 16][4], const bf16* rows)
{
    static_assert(Rows % 16 == 0 && Eighths % 2 == 0, "tiles are read in pairs");
    constexpr int pitch = tile_pitch(8 * Eighths);
    const bf16* lane = rows + threadIdx.x % 16 * pitch + threadIdx.x % WARP / 16 * 8;
#pragma unroll
    for (int step = 0; step < Rows / 16; step++)
    {
#pragma unroll
        for (int c = 0; c < Eighths; c += 2)
        {
            uint32 b[4];
            load_matrices_transposed(b, lane + step * 16 * pitch + c * 8);
#pragma unroll
            for (int m = 0; m < M; m++)
            {
                multiply_tiles(sum[m][c], weights[m][step], b[0], b[1], sum[m][c]);
                multiply_tiles(sum[m][c + 1], weights[m][step], b[2], b[3], sum[m][c + 1]);
            }
        }
    }
}

// Results of products rounded to the left operand of the next.
template <int M, int N>
DEVICE void round_tiles(uint32 (&left)[M][N / 16][4], const float (&d)[M][N / 8][4])
{
#pragma unroll
    for (int m = 0; m < M; m++)
    {
#pragma unroll
        for (int n = 0; n < N / 8; n++)
        {
            left[m][n / 2][n % 2 * 2] = pack_bf16(d[m][n][0], d[m][n][1]);
            left[m][n / 2][n % 2 * 2 + 1] = pack_bf16(d[m][n][2], d[m][n][3]);
        }
    }
}

// Starts to copy rows first .. first + Rows - 1 of a matrix to shared memory; rows from `end` on, and columns from `width` on,
// a multiple of 8, become zeros. Rows begin at multiples of 16 bytes. They are there after a commit, a wait and a barrier.
template <int Rows, int Columns, int Threads>
DEVICE void start_rows(bf16* tile, const bf16* rows, int64 stride, int first, int end, int width)
{
    static_assert(Threads >= Columns / 8, "a row is copied at once");
    constexpr int pieces = Columns / 8;
    constexpr int rows_at_once = Threads / pieces;
    int row = threadIdx.x / pieces;
    int piece = threadIdx.x % pieces;
    const bf16* from = rows + (first + row) * stride + piece * 8;
    bf16* to = tile + row * tile_pitch(Columns) + piece * 8;
    if (Threads % pieces != 0 && row >= rows_at_once)
    {
        return;
    }

#pragma unroll
    for (int i = 0; i < Rows; i += rows_at_once)
    {
        if (Rows % rows_at_once == 0 || row + i < Rows)
        {
            bool valid = first + row + i < end && piece * 8 < width;
            copy_async16(to + i * tile_pitch(Columns), valid ? from + i * stride : rows, valid);
        }
    }
}
