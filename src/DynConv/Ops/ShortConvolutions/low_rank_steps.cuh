// What a warp of low_rank_backward_tensor.cu does in a step of its walk: it adds to dU and ds, sums its channels' part of dz
// and its tokens' part of dx. Macros besides those of low_rank_tiles.cuh: WARPS, AHEAD.
#pragma once
#include "low_rank_tiles.cuh"

static constexpr int THREADS = WARPS * WARP;
static constexpr int RING = AHEAD + 1;
static constexpr int X_RING = RING + PAST_STEPS;
static constexpr int PRODUCT_TILES = WIDTH * CHUNKS;     // products of a tap and 8 channels
static constexpr int PRODUCT_PAIRS = PRODUCT_TILES / 2;  // fill the rows of a tensor core's tile
static constexpr int STATIC_TILES = (PRODUCT_PAIRS + 7) / 8;

// What a warp's lanes have for dz of a step: quads of lane 4 g + t are ranks 2 t, 2 t + 1 of the first token of m-tile m of
// run g, then of the second.
struct FactorSums
{
    float quads[TILES][HALVES][WARP][4];
};

struct WarpMemory
{
    RowStep x[X_RING];
    RowStep dy[RING];
    FactorStep z[RING];
};

struct BlockMemory
{
    Basis basis[WARPS];
    StaticPart statics[WARPS];
    WarpMemory warps[WARPS];
    alignas(16) FactorSums sums[2][WARPS];
};

// The runs' sums over tokens. Rows of a pair's sums are the channels of its two tiles of products, columns ranks; each
// pair has its own column of the sums for ds.
struct Sums
{
    float u[PRODUCT_PAIRS][HALVES][4];
    float fixed[STATIC_TILES][4];
};

// The places of the rings that a step reads.
struct Places
{
    int x;
    int other;

    DEVICE const RowStep& x_step(const WarpMemory& own, int i, int& row) const
    {
        int back = (i + PAST_STEPS * STEP) / STEP - PAST_STEPS;
        row = i - back * STEP;
        return own.x[ring_add<X_RING>(x, back)];
    }
};

DEVICE uint32 select_pair(uint32 pair, bool low, bool high) { return pair & ((low ? 0xffffu : 0u) | (high ? 0xffff0000u : 0u)); }

// dU and ds of a step.
template <bool NEAR_START>
DEVICE void add_weight_gradients(Sums& sums, const WarpMemory& own, const Places& places, const Positions& positions, int lane)
{
    uint32 x[STEP + PAST][CHUNKS];
#pragma unroll
    for (int i = -PAST; i < STEP; i++)
    {
        int row;
        const RowStep& step = places.x_step(own, i, row);
        step.transposed(x[PAST + i], row, lane);
    }

#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
        uint32 dy[2][CHUNKS];
        uint32 factors[RANK_TILES][4];
        own.dy[places.other].transposed(dy[0], 2 * m, lane);
        own.dy[places.other].transposed(dy[1], 2 * m + 1, lane);
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            own.z[places.other].columns(factors[k], m, k, lane);
        }

        int low[2];
        int high[2];
        if (NEAR_START)
        {
#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                low[e] = (int)shuffle((uint32)positions.at[2 * m + e], lane % 4 * 8);
                high[e] = (int)shuffle((uint32)positions.at[2 * m + e], lane % 4 * 8 + 4);
            }
        }

#pragma unroll
        for (int pair = 0; pair < PRODUCT_PAIRS; pair++)
        {
            uint32 products[4];
#pragma unroll
            for (int k = 0; k < 4; k++)
            {
                int n = 2 * pair + k % 2;
                int e = k / 2;
                int w = n / CHUNKS;
                uint32 inputs = x[PAST + 2 * m + e - w][n % CHUNKS];
                if (NEAR_START)
                {
                    inputs = select_pair(inputs, w <= low[e], w <= high[e]);
                }

                products[k] = multiply_bf16x2(dy[e][n % CHUNKS], inputs);
            }

#pragma unroll
            for (int k = 0; k < RANK_TILES; k++)
            {
                multiply_tiles(sums.u[pair][2 * k], products, factors[k][0], factors[k][1], sums.u[pair][2 * k]);
                multiply_tiles(sums.u[pair][2 * k + 1], products, factors[k][2], factors[k][3], sums.u[pair][2 * k + 1]);
            }

            uint32 column = lane / 4 == pair % 8 ? ONES : 0u;
            multiply_tiles(sums.fixed[pair / 8], products, column, column, sums.fixed[pair / 8]);
        }
    }
}

// What a step's tokens give to dx: rows -PAST .. -1 are complete then, with what `carried` brought; rows STEP - PAST .. are
// carried on. To add, dx has what is there already.
template <bool NEAR_START>
DEVICE void correlate(
    uint32 (&dx)[STEP][PAIRS], float (&carried)[PAIRS][PAST + 1][2], const uint32 (&dy)[STEP][PAIRS], const FactorStep& z,
    const Basis& basis, const StaticPart& statics, const Positions& positions, bool accumulate, int lane)
{
    uint32 one[2] = {lane % 4 == 0 ? ONES : 0u, lane % 4 == 0 ? ONES : 0u};
    const float zero[4] = {0.f, 0.f, 0.f, 0.f};
    uint32 factors[TILES][RANK_TILES][4];
#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            z.rows(factors[m][k], m, k, lane);
        }
    }

#pragma unroll
    for (int j = 0; j < PAIRS; j++)
    {
        float sums[PAST + STEP][2] = {};
#pragma unroll
        for (int i = 0; i < PAST; i++)
        {
            sums[i][0] = carried[j][i][0];
            sums[i][1] = carried[j][i][1];
        }

#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            uint32 filters[RANK_TILES][2];
            basis.by_rank(filters, w * PAIRS + j, lane);
            uint32 fixed = statics.words[w][lane / 4][j];
#pragma unroll
            for (int m = 0; m < TILES; m++)
            {
                float f[4];
                multiply_tiles(f, one, fixed, zero);
                mix_filters(f, factors[m], filters);
#pragma unroll
                for (int e = 0; e < 2; e++)
                {
                    int i = 2 * m + e;
                    uint32 pair = dy[i][j];
                    if (NEAR_START && w > positions.at[i])
                    {
                        pair = 0;
                    }

                    float* sum = sums[PAST + i - w];
                    sum[0] = fused_multiply_add(f[2 * e], low_float(pair), sum[0]);
                    sum[1] = fused_multiply_add(f[2 * e + 1], high_float(pair), sum[1]);
                }
            }
        }

        if (accumulate)
        {
#pragma unroll
            for (int i = 0; i < STEP; i++)
            {
                sums[i][0] += low_float(dx[i][j]);
                sums[i][1] += high_float(dx[i][j]);
            }
        }

#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            dx[i][j] = pack_bf16(sums[i][0], sums[i][1]);
        }

#pragma unroll
        for (int i = 0; i < PAST; i++)
        {
            carried[j][i][0] = sums[STEP + i][0];
            carried[j][i][1] = sums[STEP + i][1];
        }
    }
}

// dz of a step: the warp's channels' part.
template <bool NEAR_START>
DEVICE void sum_factors(
    FactorSums& to, const uint32 (&dy)[STEP][PAIRS], const WarpMemory& own, const Places& places, const Basis& basis,
    const Positions& positions, int lane)
{
    uint32 x[STEP + PAST][PAIRS];
#pragma unroll
    for (int i = -PAST; i < STEP; i++)
    {
        int row;
        const RowStep& step = places.x_step(own, i, row);
        step.own(x[PAST + i], row, lane);
    }

    float sums[TILES][HALVES][4] = {};
#pragma unroll
    for (int n = 0; n < FILTER_TILES; n += 2)
    {
        uint32 filters[RANK_TILES][4];
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            basis.by_channel(filters[k], n, k, lane);
        }

#pragma unroll
        for (int m = 0; m < TILES; m++)
        {
            uint32 products[4];
#pragma unroll
            for (int h = 0; h < 2; h++)
            {
                int w = (n + h) / PAIRS;
                int j = (n + h) % PAIRS;
#pragma unroll
                for (int e = 0; e < 2; e++)
                {
                    int i = 2 * m + e;
                    uint32 pair = x[PAST + i - w][j];
                    if (NEAR_START && w > positions.at[i])
                    {
                        pair = 0;
                    }

                    products[2 * h + e] = multiply_bf16x2(dy[i][j], pair);
                }
            }

#pragma unroll
            for (int k = 0; k < RANK_TILES; k++)
            {
                multiply_tiles(sums[m][2 * k], products, filters[k][0], filters[k][1], sums[m][2 * k]);
                multiply_tiles(sums[m][2 * k + 1], products, filters[k][2], filters[k][3], sums[m][2 * k + 1]);
            }
        }
    }

#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
#pragma unroll
        for (int h = 0; h < HALVES; h++)
        {
            float* quad = to.quads[m][h][lane];
            *reinterpret_cast<Bits128*>(quad) = Bits128{
                bits_of_float(sums[m][h][0]), bits_of_float(sums[m][h][1]), bits_of_float(sums[m][h][2]),
                bits_of_float(sums[m][h][3])};
        }
    }
}
