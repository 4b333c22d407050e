// The gradients of y[b,t,d] = sum_w (sum_r z[b,t,r] U[r,w,d] + s[w,d]) x[b,t-w,d] (+ x) in bfloat16, on tensor cores:
//   dx[t] = sum_w f_w(t+w) dy[t+w] with the filters f mixed again, and from the products p_w(t) = dy[t] x[t-w]
//   dz[t,r] = sum_w,d p U,   dU[r,w,d] = sum_t z p,   ds[w,d] = sum_t p.
//
// A block takes COLUMNS columns of a warp's channels and RUNS runs of tokens of one batch entry; its warps, two a column
// (low_rank_steps.cuh), walk along the runs (low_rank_tiles.cuh) side by side. x, dy and z come through
// rings of shared memory; dU and ds stay in registers until the end of the runs and leave as sums over the block's tokens,
// dz leaves step by step as sums over the block's channels: low_rank_sums.cu adds them up. The products are made twice,
// with pairs of channels in a register for dz and, read transposed from shared memory, with pairs of tokens for dU. Behind
// its end a run needs the filters of the next PAST tokens, for dx alone.
#include "low_rank_steps.cuh"

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

// Adds up the columns' parts of dz of a step, in their order. A thread takes the same two ranks of the same token of every
// step, or of several.
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
                float low = 0.f;
                float high = 0.f;
#pragma unroll
                for (int column = 0; column < COLUMNS; column++)
                {
                    Bits64 pair = reinterpret_cast<const Bits64*>(&sums[column])[piece];
                    low += float_of_bits(pair.x);
                    high += float_of_bits(pair.y);
                }

                float* at = to + (int64)token * RANKS + half * 8 + lane % 4 * 2;
                *reinterpret_cast<Bits64*>(at) = Bits64{bits_of_float(low), bits_of_float(high)};
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
            a.static_sums[(block * WIDTH + w) * a.channels + d] = sums.fixed[pair / 8][row + pair % 2];
        }
    }
}

// The warp of a column that computes dx. It also copies dy and z.
struct InputGradients
{
    const LowRankBackward& a;
    BlockMemory& block;
    RowStream dy_stream;
    FactorStream z_stream;
    PositionStream position_stream;
    bf16* to; // the lane's channels of the row PAST tokens before the step
    int end;  // tokens of the run whose rows are written
    float carried[PAIRS][PAST + 1][2];

    DEVICE InputGradients(
        const LowRankBackward& a, BlockMemory& block, const Runs& runs, int64 channel, int column, int lane)
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
        const Filters<false> filters(block.basis[column], block.statics[column], lane);
        auto is_written = [&](int i)
        {
            int at = step * STEP + i - PAST;
            return at >= 0 && at < end;
        };
        auto get = [&](int i, uint32 (&row)[PAIRS])
        {
            if (ACCUMULATE && is_written(i))
            {
                load_pairs(row, to + i * a.dx.time_stride);
            }
        };
        auto put = [&](int i, const uint32 (&row)[PAIRS])
        {
            if (is_written(i))
            {
                store_pairs(to + i * a.dx.time_stride, row);
            }
        };
        if (PACKED && near_start)
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
    BlockMemory& block;
    RowStream x_stream;
    FactorSumming summing;
    PositionStream position_stream;
    Sums sums;

    DEVICE ParameterGradients(
        const LowRankBackward& a, BlockMemory& block, const Runs& runs, float* z_sums, int64 channel, int column, int lane)
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
        if (PACKED && near_start)
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
        if (PACKED && near_start)
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
    BlockMemory& memory = *reinterpret_cast<BlockMemory*>(shared_memory);
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    let_next_launch_begin(); // the short one that adds up this one's sums

    // Channels first: blocks that run together read whole rows.
    int64 channel_blocks = (a.channels + COLUMNS * WARP_CHANNELS - 1) / (COLUMNS * WARP_CHANNELS);
    int64 token_blocks = (a.sequences.time + (int64)RUNS * a.run - 1) / ((int64)RUNS * a.run);
    int64 channel_block = blockIdx.x % channel_blocks;
    int64 token_block = blockIdx.x / channel_blocks;
    int first_channel = (int)channel_block * (COLUMNS * WARP_CHANNELS);
    int steps = a.run / STEP;
    Runs runs;
    runs.batch = token_block / token_blocks;
    runs.run = a.run;
    runs.first = token_block % token_blocks * RUNS * a.run;
    runs.end = a.sequences.time;
    int column = warp % COLUMNS;
    int64 channel = first_channel + column * WARP_CHANNELS;
    if (warp < COLUMNS)
    {
        InputGradients gradients(a, memory, runs, channel, column, lane);
        fill_weights<THREADS, COLUMNS>(memory.basis, memory.statics, memory.by_channel, a.weights, first_channel, a.channels);
        block_barrier();
        walk(gradients, steps);
    }
    else
    {
        float* z_sums = a.z_sums + (channel_block * a.sequences.batch + runs.batch) * a.sequences.time * RANKS;
        ParameterGradients gradients(a, memory, runs, z_sums, channel, column, lane);
        fill_weights<THREADS, COLUMNS>(memory.basis, memory.statics, memory.by_channel, a.weights, first_channel, a.channels);
        block_barrier();
        walk(gradients, steps);
        gradients.finish(steps, column * WARP + lane);
        store_weight_sums(a, gradients.sums, token_block, channel, lane);
    }

    copy_async_wait<0>();
}
