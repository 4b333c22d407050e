// The gradients of y[b,t,d] = sum_w (sum_r z[b,t,r] U[r,w,d] + s[w,d]) x[b,t-w,d] (+ x) in bfloat16, on tensor cores. With the
// products p_w(t) = dy[t] x[t-w], which are the gradient with respect to the filters f:
//
//   dx[t,d]   = sum_w f_w(t+w) dy[t+w]   filters mixed again; complete as soon as token t + PAST has been seen
//   dz[t,r]   = sum_w,d p_w U            a column's part each step; parts of a block's columns add up in shared memory, those
//                                        of the blocks along the channels in partial_sums.cu
//   dU[r,w,d] = sum_t z p_w              in registers until the end of the runs; the blocks along the tokens add up there, too
//   ds[w,d]   = sum_t p_w                as dU
//
// A block takes COLUMNS columns of channels and RUNS runs of tokens (low_rank_tiles.cuh says which lane holds which). A column
// has two warps, side by side on the same rows:
//
//   warps 0 .. COLUMNS - 1             InputGradients       copy dy and z, compute dx
//   warps COLUMNS .. 2 COLUMNS - 1     ParameterGradients   copy x, compute dU, ds and the column's part of dz
//
// so that each has about half of the work and neither holds in registers what only the other needs. The two meet once a step at
// the column's barrier, the second warps of all columns once more, for dz. The products are made twice: with pairs of channels
// in a register for dz and, read transposed from shared memory, with pairs of tokens for dU. Behind its end a run needs the
// filters of the next PAST tokens, for dx alone.
#include "low_rank_tiles.cuh"

static constexpr int COLUMN_THREADS = 2 * WARP;
static constexpr int PRODUCT_THREADS = COLUMNS * WARP; // of the columns' second warps
static constexpr int THREADS = COLUMNS * COLUMN_THREADS;
static constexpr int RING = AHEAD + 1 + PAST_STEPS;
static constexpr int PRODUCT_TILES = WIDTH * CHUNKS;     // products of a tap and 8 channels
static constexpr int PRODUCT_PAIRS = PRODUCT_TILES / 2;  // fill the rows of a tensor core's tile
static constexpr int STATIC_TILES = (PRODUCT_PAIRS + 7) / 8;
static constexpr int FIRST = -(PAST + 1) / 2 * 2; // the first row of x that is read for a step: two at a time

// A column's part of dz of a step, as products leave it: in quads[m][h] of lane 4 g + t are ranks 8 h + 2 t and 8 h + 2 t + 1 of
// the first token of m-tile m of run g, then of the second.
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

struct BackwardMemory
{
    FilterTiles learned[COLUMNS];
    ChannelFilters by_channel[COLUMNS];
    StaticTiles static_tiles[COLUMNS];
    ColumnMemory columns[COLUMNS];
    alignas(16) FactorSums sums[2][COLUMNS];
};

static_assert(sizeof(BackwardMemory) == SHARED_BYTES, "LowRankTiling.cs asks for another amount of memory");

// Sums over the tokens of the runs. Tiles of products come in pairs, whose channels are the 16 rows of a tensor core's tile;
// columns are ranks. For ds the columns are pairs: each has one of its own.
struct Sums
{
    float u[PRODUCT_PAIRS][HALVES][4];
    float static_weight[STATIC_TILES][4];
};

// The ring's place `steps` steps later, or earlier where that is negative; at most RING of them.
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

// What a step's products are made of, for two chunks of channels: its rows of dy, and the rows of x that they meet, from FIRST
// on. Two rows are read at a time.
struct ProductRows
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
        ProductRows rows;
        rows.load<true>(own, place, c, lane);

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
                    uint32 inputs = rows.input(i - w, k % 2);
                    if (NEAR_START)
                    {
                        inputs = select_pair(inputs, w <= low.at(i), w <= high.at(i));
                    }

                    products[k] = multiply_bf16x2(rows.upstream(i, k % 2), inputs);
                }

#pragma unroll
                for (int k = 0; k < RANK_TILES; k++)
                {
                    multiply_tiles(sums.u[pair][2 * k], products, factors[m][k][0], factors[m][k][1], sums.u[pair][2 * k]);
                    multiply_tiles(
                        sums.u[pair][2 * k + 1], products, factors[m][k][2], factors[m][k][3], sums.u[pair][2 * k + 1]);
                }

                multiply_tiles(sums.static_weight[pair / 8], products, column, column, sums.static_weight[pair / 8]);
            }
        }
    }
}

// dz of a step: the column's part.
template <bool NEAR_START>
DEVICE void sum_factors(
    FactorSums& to, const ColumnMemory& own, const ChannelFilters& learned, int place, const Positions& positions, int lane)
{
    float sums[TILES][HALVES][4] = {};
#pragma unroll
    for (int c = 0; c < CHUNKS; c += 2)
    {
        ProductRows rows;
        rows.load<false>(own, place, c, lane);

#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            uint32 filters[RANK_TILES][4];
#pragma unroll
            for (int k = 0; k < RANK_TILES; k++)
            {
                learned.by_channel(filters[k], w, c, k, lane);
            }

#pragma unroll
            for (int m = 0; m < TILES; m++)
            {
                uint32 products[4];
#pragma unroll
                for (int k = 0; k < 4; k++)
                {
                    int i = 2 * m + k % 2;
                    uint32 pair = rows.input(i - w, k / 2);
                    if (NEAR_START && w > positions.at(i))
                    {
                        pair = 0;
                    }

                    products[k] = multiply_bf16x2(rows.upstream(i, k / 2), pair);
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
            Packet<float, 4>::of(sums[m][h]).store(to.quads[m][h][lane]);
        }
    }
}

// What a step's tokens give to dx, two tokens of each run at a time. Filters reach back PAST rows: with two more tokens two more
// rows are complete, and the PAST rows behind them, which later tokens still add to, are carried on in `carried`.
// `put(i, row)` takes the row PAST tokens before the step's token i; with ACCUMULATE `get(i, row)` brings what is there.
template <bool NEAR_START, typename Get, typename Put>
DEVICE void correlate(
    float (&carried)[PAIRS][PAST + 1][2], const ColumnMemory& own, int place, const FilterMixer<false>& filters,
    const Positions& positions, Get get, Put put)
{
#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
        uint32 factors[RANK_TILES][4];
        LaneRow dy[2];
        LaneRow dx[2];
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            own.steps[place].z.rows(factors[k], m, k, filters.lane);
        }

#pragma unroll
        for (int e = 0; e < 2; e++)
        {
            dy[e] = own.steps[place].dy.own(2 * m + e, filters.lane);
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
                    uint32 pair = dy[e].words[j];
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
                    sums[e][0] += low_float(dx[e].words[j]);
                    sums[e][1] += high_float(dx[e].words[j]);
                }

                dx[e].words[j] = pack_bf16(sums[e][0], sums[e][1]);
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

struct LowRankBackward
{
    Rows<const bf16> x;
    Rows<const bf16> z;
    Rows<const bf16> dy;
    Rows<bf16> dx; // with INPUTS
    Rows<const bf16> state;
    Sequences sequences;
    Weights weights;
    float* z_sums;      // [channel blocks, B * T, RANKS]
    float* u_sums;      // [token blocks, R, WIDTH, D]
    float* static_sums; // [token blocks, WIDTH, D]
    int channels;
    int run; // tokens of a run, a multiple of STEP
};

// Named barriers: 0 is the block's.
DEVICE void meet_column(int column) { block_barrier(1 + column, COLUMN_THREADS); }
DEVICE void meet_columns() { block_barrier(1 + COLUMNS, PRODUCT_THREADS); }

// Adds up the columns' parts of dz of a step, in the order of the columns: this is where the block's dz is summed. A thread takes
// the same two ranks of the same token in every step, or SHARE such pieces.
struct FactorSumming
{
    static constexpr int PIECES = TILES * HALVES * WARP * 2;
    static constexpr int SHARE = (PIECES + PRODUCT_THREADS - 1) / PRODUCT_THREADS;

    float* to; // dz's parts of the block's channels, of the step's first token of the first run
    int end;   // tokens from there to the batch entry's end

    DEVICE void add_up(const FactorSums (&sums)[COLUMNS], const int& run, int thread)
    {
#pragma unroll
        for (int k = 0; k < SHARE; k++)
        {
            int piece = k * PRODUCT_THREADS + thread;
            int lane = piece / 2 % WARP;
            int half = piece / 2 / WARP % HALVES;
            int m = piece / 2 / WARP / HALVES;
            int token = lane / 4 * run + 2 * m + piece % 2;
            if ((PIECES % PRODUCT_THREADS == 0 || piece < PIECES) && token < end)
            {
                float pair[2] = {};
#pragma unroll
                for (int column = 0; column < COLUMNS; column++)
                {
                    add_packet<2>(pair, reinterpret_cast<const float*>(&sums[column]) + 2 * piece);
                }

                Packet<float, 2>::of(pair).store(to + (int64)token * RANKS + half * 8 + lane % 4 * 2);
            }
        }

        to += STEP * RANKS;
        end -= STEP;
    }
};

// Writes the sums over the block's tokens.
DEVICE void store_weight_sums(const LowRankBackward& a, const Sums& sums, int64 block, int64 channel, int lane)
{
    int t = lane % 4;
#pragma unroll
    for (int n = 0; n < PRODUCT_TILES; n++)
    {
        int pair = n / 2;
        int row = n % 2 * 2;
        int w = n / CHUNKS;
        int64 d = channel + n % CHUNKS * CHUNK + lane / 4;
        if (d >= a.channels)
        {
            continue;
        }

#pragma unroll
        for (int h = 0; h < HALVES; h++)
        {
#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                int r = 8 * h + 2 * t + e;
                if (r < a.weights.rank)
                {
                    a.u_sums[((block * a.weights.rank + r) * WIDTH + w) * a.channels + d] = sums.u[pair][h][row + e];
                }
            }
        }

        if (t == pair % 8 / 2)
        {
            a.static_sums[(block * WIDTH + w) * a.channels + d] = sums.static_weight[pair / 8][row + pair % 2];
        }
    }
}

// The warp of a column that computes dx. It also copies dy and z.
struct InputGradients
{
    const LowRankBackward& a;
    BackwardMemory& block;
    RowStream dy_stream;
    FactorStream z_stream;
    PositionStream position_stream;
    bf16* to; // the lane's channels of the row PAST tokens before the step
    int end;  // tokens of the run whose rows are written
    float carried[PAIRS][PAST + 1][2];

    DEVICE InputGradients(
        const LowRankBackward& a, BackwardMemory& block, const Runs& runs, int64 channel, int column, int lane)
        : a(a), block(block), dy_stream(a.dy, runs, channel, a.channels, lane),
          z_stream(a.z, runs, a.run, lane), position_stream(a.sequences, runs.token(lane / 4)), carried{}
    {
        int64 token = runs.token(lane / 4);
        int64 own_channel = channel + lane % 4 * LANE_CHANNELS;
        to = a.dx.at(runs.batch, token - PAST) + own_channel;
        end = own_channel < a.channels ? minimum(runs.tokens_left(token), a.run) : 0;
#pragma unroll
        for (int step = 0; step < AHEAD; step++)
        {
            copy(block.columns[column].steps[step], lane);
            copy_async_commit();
        }
    }

    // INSIDE: of the run, and not behind its end.
    template <bool INSIDE>
    DEVICE void step(int step, int place, int steps)
    {
        int lane = threadIdx.x % WARP;
        int column = threadIdx.x / WARP % COLUMNS;
        ColumnMemory& own = block.columns[column];
        copy_async_wait<AHEAD - 1>();

        // The column's copies are there, and the column has read what the next copies overwrite.
        meet_column(column);
        if ((INSIDE && AHEAD <= PAST_STEPS) || step + AHEAD < steps + PAST_STEPS)
        {
            copy(own.steps[moved(place, AHEAD)], lane);
        }

        copy_async_commit();
        if (!INPUTS)
        {
            return;
        }

        Positions positions = position_stream.take();
        bool near_start = PACKED && positions.reach_behind();
        const FilterMixer<false> filters(block.learned[column], block.static_tiles[column], lane);
        auto is_written = [&](int i)
        {
            int at = step * STEP + i - PAST;
            return at >= 0 && at < end;
        };
        auto get = [&](int i, LaneRow& row)
        {
            if (ACCUMULATE && is_written(i))
            {
                row = LaneRow::load(to + i * a.dx.time_stride);
            }
        };
        auto put = [&](int i, const LaneRow& row)
        {
            if (is_written(i))
            {
                row.store(to + i * a.dx.time_stride);
            }
        };
        if (near_start)
        {
            correlate<true>(carried, own, place, filters, positions, get, put);
        }
        else
        {
            correlate<false>(carried, own, place, filters, positions, get, put);
        }

        to += STEP * a.dx.time_stride;
    }

private:
    DEVICE void copy(StepMemory& to, int lane)
    {
        dy_stream.copy(to.dy, lane);
        z_stream.copy(to.z, lane);
    }
};

// The warp of a column that computes dU, ds and the column's part of dz. It also copies x.
struct ParameterGradients
{
    const LowRankBackward& a;
    BackwardMemory& block;
    RowStream x_stream;
    FactorSumming summing;
    PositionStream position_stream;
    Sums sums;

    DEVICE ParameterGradients(
        const LowRankBackward& a, BackwardMemory& block, const Runs& runs, float* z_sums, int64 channel, int column, int lane)
        : a(a), block(block), x_stream(a.x, runs, channel, a.channels, lane),
          summing{z_sums + runs.first * RANKS, runs.tokens_left(runs.first)},
          position_stream(a.sequences, runs.token(lane / 4)), sums{}
    {
        // The steps before the first stand where the ring ends.
        ColumnMemory& own = block.columns[column];
        x_stream.copy_past(own.steps + RING - PAST_STEPS, a.state, runs, channel, lane);
#pragma unroll
        for (int step = 0; step < AHEAD; step++)
        {
            x_stream.copy(own.steps[step].x, lane);
            copy_async_commit();
        }
    }

    template <bool INSIDE>
    DEVICE void step(int step, int place, int steps)
    {
        int lane = threadIdx.x % WARP;
        int column = threadIdx.x / WARP % COLUMNS;
        ColumnMemory& own = block.columns[column];
        copy_async_wait<AHEAD - 1>();
        meet_column(column);
        if (step + AHEAD < steps)
        {
            x_stream.copy(own.steps[moved(place, AHEAD)].x, lane);
        }

        copy_async_commit();
        if (!INSIDE)
        {
            return;
        }

        Positions positions = position_stream.take();
        bool near_start = PACKED && positions.reach_behind();
        if (near_start)
        {
            add_weight_gradients<true>(sums, own, place, positions, lane);
        }
        else
        {
            add_weight_gradients<false>(sums, own, place, positions, lane);
        }

        // Parts of dz are added up a step late: by then the other columns have written theirs and nobody waits for long.
        meet_columns();
        if (step > 0)
        {
            summing.add_up(block.sums[(step - 1) % 2], a.run, column * WARP + lane);
        }

        FactorSums& to = block.sums[step % 2][column];
        if (near_start)
        {
            sum_factors<true>(to, own, block.by_channel[column], place, positions, lane);
        }
        else
        {
            sum_factors<false>(to, own, block.by_channel[column], place, positions, lane);
        }
    }

    DEVICE void finish(int steps, int thread)
    {
        meet_columns();
        summing.add_up(block.sums[(steps - 1) % 2], a.run, thread);
    }
};

// Takes all steps of the runs, and those behind their end that filters reach to.
template <typename Gradients>
DEVICE void walk(Gradients& gradients, int steps)
{
    int place = 0;
#pragma unroll 1
    for (int step = 0; step < steps; step++)
    {
        gradients.template step<true>(step, place, steps);
        place = moved(place, 1);
    }

#pragma unroll 1
    for (int step = steps; step < steps + PAST_STEPS; step++)
    {
        gradients.template step<false>(step, place, steps);
        place = moved(place, 1);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) low_rank_backward_tensor(const LowRankBackward a)
{
    after_earlier_launches();
    extern __shared__ Bits128 shared_memory[];
    BackwardMemory& memory = *reinterpret_cast<BackwardMemory*>(shared_memory);
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    let_next_launch_begin(); // the short one that adds up this one's sums

    // Channels first: blocks that run together read whole rows.
    int64 channel_blocks = (a.channels + COLUMNS * WARP_CHANNELS - 1) / (COLUMNS * WARP_CHANNELS);
    int64 token_blocks = (a.sequences.time + (int64)RUNS * a.run - 1) / ((int64)RUNS * a.run); // of a batch entry
    int64 channel_block = blockIdx.x % channel_blocks;
    int64 token_block = blockIdx.x / channel_blocks; // of all batch entries
    int first_channel = (int)channel_block * (COLUMNS * WARP_CHANNELS);
    int steps = a.run / STEP;
    Runs runs(token_block / token_blocks, token_block % token_blocks * RUNS, a.run, a.sequences);
    int column = warp % COLUMNS;
    int64 channel = first_channel + column * WARP_CHANNELS;
    if (warp < COLUMNS)
    {
        InputGradients gradients(a, memory, runs, channel, column, lane);
        fill_weights<THREADS, COLUMNS>(memory.learned, memory.static_tiles, memory.by_channel, a.weights, first_channel, a.channels);
        block_barrier();
        walk(gradients, steps);
    }
    else
    {
        float* z_sums = a.z_sums + (channel_block * a.sequences.batch + runs.batch) * a.sequences.time * RANKS;
        ParameterGradients gradients(a, memory, runs, z_sums, channel, column, lane);
        fill_weights<THREADS, COLUMNS>(memory.learned, memory.static_tiles, memory.by_channel, a.weights, first_channel, a.channels);
        block_barrier();
        walk(gradients, steps);
        gradients.finish(steps, column * WARP + lane);
        store_weight_sums(a, gradients.sums, token_block, channel, lane);
    }

    copy_async_wait<0>();
}
