// Products of tiles of bfloat16 by warpgroups, four warps each, on compute capability 9.0.
//
// A tile in shared memory has rows of 64 columns, 128 bytes, and begins at a multiple of 1024. Piece p of row r, 16 bytes, stands
// at piece p ^ r % 8, as copy_box brings it, so that neither rows nor columns collide in banks:
//
//     row 0     0  1  2  3  4  5  6  7
//     row 1     1  0  3  2  5  4  7  6
//     row 2     2  3  0  1  6  7  4  5
//     ...
//
// Wider matrices are several tiles, one behind the other. A product takes 64 rows on the left, 16 a warp, and N columns on the
// right, and sums over steps of 16. What it sums over may lie along the columns of a tile (x y^T) or along its rows (x^T y).
// Result and operands in registers have the layout of tiles.cuh: of 8 columns n, lane 4 g + t of a warp holds
// d[4 n], d[4 n + 1] of row g and d[4 n + 2], d[4 n + 3] of row g + 8, columns 8 n + 2 t and 8 n + 2 t + 1.
//
//   float scores[64];
//   products_begin();                                    what the products read and write is written
//   multiply_rows<128, 64>(scores, x_tile, y_tile);      64 rows of x by 128 rows of y, over 64 columns
//   products_commit();
//   products_wait<0>();                                  until here nobody may touch operands and result
//   products_arrived(scores);
#pragma once
#include "tiles.cuh"

// Describes a tensor in global memory to copy_box; the driver fills it in.
struct alignas(64) TensorMap { uint64 words[16]; };

static constexpr int WARPGROUP = 4 * WARP;
static constexpr int TILE_COLUMNS = 64;
static constexpr int TILE_ROW_BYTES = TILE_COLUMNS * sizeof(bf16);
static constexpr int TILE_ALIGNMENT = 1024;

// How products find an operand: where it begins, the distance of neighbouring tiles, that of groups of 8 rows, and that pieces
// change places; distances and addresses in units of 16 bytes.
DEVICE uint64 operand(const void* tile, int tile_bytes)
{
    return (uint64)(shared_address(tile) >> 4 & 0x3fff) | (uint64)(tile_bytes >> 4) << 16 | (uint64)(8 * TILE_ROW_BYTES >> 4) << 32
        | 1ull << 62;
}

// What to add to an operand to begin at step s of a sum along columns, of tiles of so many bytes, or along rows.
DEVICE constexpr uint64 column_step(int s, int tile_bytes) { return (s / 4 * tile_bytes + s % 4 * 32) >> 4; }
DEVICE constexpr uint64 row_step(int s) { return s * 16 * TILE_ROW_BYTES >> 4; }

// d = left right^T over `Columns` columns, where the tiles on the left have LeftRows rows and those on the right N. Starts the
// products; `left` begins at this warpgroup's 64 rows.
template <int N, int Columns, int LeftRows>
DEVICE void multiply_rows(float (&d)[N / 2], const bf16* left, const bf16* right)
{
    constexpr int left_bytes = LeftRows * TILE_ROW_BYTES;
    constexpr int right_bytes = N * TILE_ROW_BYTES;
    uint64 a = operand(left, left_bytes);
    uint64 b = operand(right, right_bytes);
#pragma unroll
    for (int s = 0; s < Columns / 16; s++)
    {
        multiply_warpgroup<false, false>(d, a + column_step(s, left_bytes), b + column_step(s, right_bytes), s > 0);
    }
}

// d (+)= weights rows, where weights are in registers and `rows` has Rows rows in tiles of N columns.
template <int N, int Rows>
DEVICE void multiply_weights(float (&d)[N / 2], const uint32 (&weights)[Rows / 16][4], const bf16* rows, bool add)
{
    uint64 b = operand(rows, Rows * TILE_ROW_BYTES);
#pragma unroll
    for (int s = 0; s < Rows / 16; s++)
    {
        multiply_warpgroup<true>(d, weights[s], b + row_step(s), add || s > 0);
    }
}

// d = left^T right over the Rows rows of both: 64 columns of `left`, one tile, by N columns of `right`, in tiles.
template <int N, int Rows>
DEVICE void multiply_columns(float (&d)[N / 2], const bf16* left, const bf16* right)
{
    uint64 a = operand(left, Rows * TILE_ROW_BYTES);
    uint64 b = operand(right, Rows * TILE_ROW_BYTES);
#pragma unroll
    for (int s = 0; s < Rows / 16; s++)
    {
        multiply_warpgroup<true, true>(d, a + row_step(s), b + row_step(s), s > 0);
    }
}

// Results rounded to the left operand of the next product.
template <int N>
DEVICE void round_weights(uint32 (&weights)[N / 16][4], const float (&d)[N / 2])
{
#pragma unroll
    for (int s = 0; s < N / 16; s++)
    {
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            weights[s][i] = pack_bf16(d[8 * s + 2 * i], d[8 * s + 2 * i + 1]);
        }
    }
}
