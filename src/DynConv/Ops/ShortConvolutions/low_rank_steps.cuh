// What the warps of low_rank_backward_tensor.cu do in a step of their walk. Macros besides those of low_rank_tiles.cuh:
// COLUMNS, AHEAD, INPUTS (1 where dx is wanted), ACCUMULATE.
//
// A column is a warp's channels, and has two warps: one computes dx, from the filters, the other dU, ds and the column's part
// of dz, from the products of dy and x. Each has about half of the work, and neither has to hold in registers what only the
// other needs. They read the same rows from shared memory, and meet once a step.
#pragma once
#include "low_rank_tiles.cuh"

static constexpr int COLUMN_THREADS = 2 * WARP;
static constexpr int PRODUCT_THREADS = COLUMNS * WARP; // of the columns' second warps
static constexpr int THREADS = COLUMNS * COLUMN_THREADS;
static constexpr int RING = AHEAD + 1 + PAST_STEPS;
static constexpr int PRODUCT_TILES = WIDTH * CHUNKS;     // products of a tap and 8 channels
static constexpr int PRODUCT_PAIRS = PRODUCT_TILES / 2;  // fill the rows of a tensor core's tile
static constexpr int STATIC_TILES = (PRODUCT_PAIRS + 7) / 8;
static constexpr int FIRST = -(PAST + 1) / 2 * 2; // the first row of x that is read for a step: two at a time

// What a warp's lanes have for dz of a step: quads of lane 4 g + t are ranks 2 t, 2 t + 1 of the first token of m-tile m of
// run g, then of the second.
struct FactorSums
{
    float quads[TILES][HALVES][WARP][4];
};

struct StepMemory
{
    RowStep x;
    RowStep dy;
    FactorStep z;
};

// Step s stands in place s % RING.
struct ColumnMemory
{
    StepMemory steps[RING];
};

struct BlockMemory
{
    Basis basis[COLUMNS];
    ChannelBasis by_channel[COLUMNS];
    StaticPart statics[COLUMNS];
    ColumnMemory columns[COLUMNS];
    alignas(16) FactorSums sums[2][COLUMNS];
};

// The runs' sums over tokens. Rows of a pair's sums are the channels of its two tiles of products, columns ranks; each
// pair has its own column of the sums for ds.
struct Sums
{
    float u[PRODUCT_PAIRS][HALVES][4];
    float fixed[STATIC_TILES][4];
};

// The place some steps, at most RING, before or behind another.
DEVICE int moved(int place, int steps)
{
    int sum = place + steps;
    return sum >= RING ? sum - RING : sum < 0 ? sum + RING : sum;
}

// Where the rows of x of token i of the step in `place` are, -PAST_STEPS * STEP <= i < STEP.
DEVICE const RowStep& inputs_of(const ColumnMemory& own, int place, int i)
{
    int back = (i + PAST_STEPS * STEP) / STEP - PAST_STEPS;
    return own.steps[back == 0 ? place : moved(place, back)].x;
}

DEVICE constexpr int row_of(int i) { return (i + PAST_STEPS * STEP) % STEP; }

// What products of a step are made of, for two chunks of channels: rows of x from FIRST on and rows of dy, two at a time.
struct Operands
{
    uint32 x[(STEP - FIRST) / 2][4];
    uint32 dy[TILES][4];

    template <bool BY_RUN>
    DEVICE void load(const ColumnMemory& own, int place, int c, int lane)
    {
#pragma unroll
        for (int i = FIRST; i < STEP; i += 2)
        {
            inputs_of(own, place, i).pairs<BY_RUN>(x[(i - FIRST) / 2], row_of(i), c, lane);
        }

#pragma unroll
        for (int i = 0; i < STEP; i += 2)
        {
            own.steps[place].dy.pairs<BY_RUN>(dy[i / 2], i, c, lane);
        }
    }

    // Token i in the first or second of the chunks.
    DEVICE uint32 input(int i, int chunk) const { return x[(i - FIRST) / 2][(i - FIRST) % 2 * 2 + chunk]; }
    DEVICE uint32 upstream(int i, int chunk) const { return dy[i / 2][i % 2 * 2 + chunk]; }
};

DEVICE uint32 select_pair(uint32 pair, bool low, bool high) { return pair & ((low ? 0xffffu : 0u) | (high ? 0xffff0000u : 0u)); }

// dU and ds of a step.
template <bool NEAR_START>
DEVICE void add_weight_gradients(
    Sums& sums, const ColumnMemory& own, int place, const Positions& positions, int lane)
{
    // Of the two runs that the lane's pairs belong to.
    Positions low;
    Positions high;
    if (NEAR_START)
    {
        low = positions.of(lane % 4 * 8);
        high = positions.of(lane % 4 * 8 + 4);
    }

    uint32 factors[TILES][RANK_TILES][4];
#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            own.steps[place].z.columns(factors[m][k], m, k, lane);
        }
    }

#pragma unroll
    for (int c = 0; c < CHUNKS; c += 2)
    {
        Operands operands;
        operands.load<true>(own, place, c, lane);

#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            int pair = (w * CHUNKS + c) / 2;
            uint32 column = lane / 4 == pair % 8 ? ONES : 0u;
#pragma unroll
            for (int m = 0; m < TILES; m++)
            {
                uint32 products[4];
#pragma unroll
                for (int k = 0; k < 4; k++)
                {
                    int i = 2 * m + k / 2;
                    uint32 inputs = operands.input(i - w, k % 2);
                    if (NEAR_START)
                    {
                        inputs = select_pair(inputs, w <= low.at(i), w <= high.at(i));
                    }

                    products[k] = multiply_bf16x2(operands.upstream(i, k % 2), inputs);
                }

#pragma unroll
                for (int k = 0; k < RANK_TILES; k++)
                {
                    multiply_tiles(sums.u[pair][2 * k], products, factors[m][k][0], factors[m][k][1], sums.u[pair][2 * k]);
                    multiply_tiles(
                        sums.u[pair][2 * k + 1], products, factors[m][k][2], factors[m][k][3], sums.u[pair][2 * k + 1]);
                }

                multiply_tiles(sums.fixed[pair / 8], products, column, column, sums.fixed[pair / 8]);
            }
        }
    }
}

// dz of a step: the column's part.
template <bool NEAR_START>
DEVICE void sum_factors(
    FactorSums& to, const ColumnMemory& own, const ChannelBasis& basis, int place, const Positions& positions, int lane)
{
    float sums[TILES][HALVES][4] = {};
#pragma unroll
    for (int c = 0; c < CHUNKS; c += 2)
    {
        Operands operands;
        operands.load<false>(own, place, c, lane);

#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            uint32 filters[RANK_TILES][4];
#pragma unroll
            for (int k = 0; k < RANK_TILES; k++)
            {
                basis.by_channel(filters[k], w, c, k, lane);
            }

#pragma unroll
            for (int m = 0; m < TILES; m++)
            {
                uint32 products[4];
#pragma unroll
                for (int k = 0; k < 4; k++)
                {
                    int i = 2 * m + k % 2;
                    uint32 pair = operands.input(i - w, k / 2);
                    if (NEAR_START && w > positions.at(i))
                    {
                        pair = 0;
                    }

                    products[k] = multiply_bf16x2(operands.upstream(i, k / 2), pair);
                }

#pragma unroll
                for (int k = 0; k < RANK_TILES; k++)
                {
                    multiply_tiles(sums[m][2 * k], products, filters[k][0], filters[k][1], sums[m][2 * k]);
                    multiply_tiles(sums[m][2 * k + 1], products, filters[k][2], filters[k][3], sums[m][2 * k + 1]);
                }
            }
        }
    }

#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
#pragma unroll
        for (int h = 0; h < HALVES; h++)
        {
            *reinterpret_cast<Bits128*>(to.quads[m][h][lane]) = Bits128{
                bits_of_float(sums[m][h][0]), bits_of_float(sums[m][h][1]), bits_of_float(sums[m][h][2]),
                bits_of_float(sums[m][h][3])};
        }
    }
}

// What a step's tokens give to dx, two tokens of each run after the other: then rows PAST and PAST - 1 before the second are
// complete, with what `carried` brought, and the next PAST are carried on. `put(i, row)` takes the row PAST before the step's
// token i; with ACCUMULATE, row has what is there already.
template <bool NEAR_START, typename Get, typename Put>
DEVICE void correlate(
    float (&carried)[PAIRS][PAST + 1][2], const ColumnMemory& own, int place, const Filters<false>& filters,
    const Positions& positions, Get get, Put put)
{
#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
        uint32 factors[RANK_TILES][4];
        uint32 dy[2][PAIRS];
        uint32 dx[2][PAIRS];
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            own.steps[place].z.rows(factors[k], m, k, filters.lane);
        }

#pragma unroll
        for (int e = 0; e < 2; e++)
        {
            own.steps[place].dy.own(dy[e], 2 * m + e, filters.lane);
            get(2 * m + e, dx[e]);
        }

#pragma unroll
        for (int j = 0; j < PAIRS; j++)
        {
            float sums[PAST + 2][2] = {};
#pragma unroll
            for (int i = 0; i < PAST; i++)
            {
                sums[i][0] = carried[j][i][0];
                sums[i][1] = carried[j][i][1];
            }

#pragma unroll
            for (int w = 0; w < WIDTH; w++)
            {
                float f[4];
                filters.mix(f, factors, w, j);
#pragma unroll
                for (int e = 0; e < 2; e++)
                {
                    uint32 pair = dy[e][j];
                    if (NEAR_START && w > positions.at(2 * m + e))
                    {
                        pair = 0;
                    }

                    float* sum = sums[PAST + e - w];
                    sum[0] = fused_multiply_add(f[2 * e], low_float(pair), sum[0]);
                    sum[1] = fused_multiply_add(f[2 * e + 1], high_float(pair), sum[1]);
                }
            }

#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                if (ACCUMULATE)
                {
                    sums[e][0] += low_float(dx[e][j]);
                    sums[e][1] += high_float(dx[e][j]);
                }

                dx[e][j] = pack_bf16(sums[e][0], sums[e][1]);
            }

#pragma unroll
            for (int i = 0; i < PAST; i++)
            {
                carried[j][i][0] = sums[2 + i][0];
                carried[j][i][1] = sums[2 + i][1];
            }
        }

#pragma unroll
        for (int e = 0; e < 2; e++)
        {
            put(2 * m + e, dx[e]);
        }
    }
}
