// y[b,t,d] = sum_w (sum_r z[b,t,r] U[r,w,d] + s[w,d]) x[b,t-w,d] (+ x) in bfloat16, the filters mixed on tensor cores.
//
// A block takes GROUPS warps' channels of one batch entry and WARPS / GROUPS warps' tokens. The filters of its channels
// stay in shared memory; each warp walks along its runs of tokens (low_rank_tiles.cuh) and keeps AHEAD steps of x and z on
// their way. x and y move once; filters live in registers only. Macros besides: WARPS, GROUPS, AHEAD.
#include "low_rank_tiles.cuh"

static constexpr int THREADS = WARPS * WARP;
static constexpr int RING = AHEAD + 1;
static constexpr int X_RING = RING + PAST_STEPS;

struct LowRankForward
{
    Rows<const bf16> x;
    Rows<const bf16> z;
    Rows<bf16> y;
    Rows<const bf16> state;
    Sequences sequences;
    Weights weights;
    int channels;
    int run; // tokens of a run, a multiple of STEP
};

struct WarpMemory
{
    RowStep x[X_RING];
    FactorStep z[RING];
};

struct BlockMemory
{
    Basis basis[GROUPS];
    StaticPart statics[GROUPS];
    WarpMemory warps[WARPS];
};

// The results of STEP tokens of each run: x in rows -PAST .. STEP - 1, counted from the step's first token.
template <bool NEAR_START>
DEVICE void convolve(
    uint32 (&y)[STEP][PAIRS], const uint32 (&x)[STEP + PAST][PAIRS], const FactorStep& z, const Basis& basis,
    const StaticPart& statics, const Positions& positions)
{
    int lane = threadIdx.x % WARP;
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
        float sums[STEP][2] = {};
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
                    uint32 pair = x[PAST + i - w][j];
                    if (NEAR_START && w > positions.at[i])
                    {
                        pair = 0;
                    }

                    sums[i][0] = fused_multiply_add(f[2 * e], low_float(pair), sums[i][0]);
                    sums[i][1] = fused_multiply_add(f[2 * e + 1], high_float(pair), sums[i][1]);
                }
            }
        }

#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            y[i][j] = pack_bf16(sums[i][0], sums[i][1]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) low_rank_forward_tensor(const LowRankForward a)
{
    extern __shared__ Bits128 shared_memory[];
    BlockMemory& memory = *reinterpret_cast<BlockMemory*>(shared_memory);
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    int group = warp % GROUPS;

    // Channels first: blocks that run together read whole rows.
    int64 channel_blocks = (a.channels + GROUPS * WARP_CHANNELS - 1) / (GROUPS * WARP_CHANNELS);
    int64 token_blocks = (a.sequences.time + (int64)(WARPS / GROUPS * RUNS) * a.run - 1) / ((WARPS / GROUPS * RUNS) * (int64)a.run);
    int64 block = blockIdx.x;
    int first_channel = (int)(block % channel_blocks) * (GROUPS * WARP_CHANNELS);
    block /= channel_blocks;
    Runs runs;
    runs.batch = block / token_blocks;
    runs.run = a.run;
    runs.first = ((block % token_blocks) * (WARPS / GROUPS) + warp / GROUPS) * RUNS * a.run;
    runs.end = a.sequences.time;
    int64 channel = first_channel + group * WARP_CHANNELS;

    WarpMemory& own = memory.warps[warp];
    RowStream x_stream;
    FactorStream z_stream;
    x_stream.start(a.x, runs, channel, a.channels, lane);
    z_stream.start(a.z, runs, lane);
    x_stream.copy_past(own.x, a.state, runs, channel);
#pragma unroll
    for (int step = 0; step < AHEAD; step++)
    {
        x_stream.copy(own.x[PAST_STEPS + step]);
        z_stream.copy(own.z[step]);
        copy_async_commit();
    }

    fill_weights<THREADS>(memory.basis, memory.statics, GROUPS, a.weights, first_channel, a.channels);
    block_barrier();

    int64 own_channel = channel + lane % 4 * LANE_CHANNELS;
    int64 token = runs.token(lane / 4);
    bf16* to = a.y.at(runs.batch, token) + own_channel;
    int left = own_channel < a.channels ? runs.tokens_left(token) : 0;
    Positions positions;
    Positions next;
    if (PACKED)
    {
        next.load(a.sequences, token, runs.end);
    }

    int x_place = PAST_STEPS;
    int place = 0;
    int steps = a.run / STEP;
    for (int step = 0; step < steps; step++)
    {
        // What the step AHEAD - 1 before this one read is free again once every lane has passed here.
        warp_barrier();
        if (step + AHEAD < steps)
        {
            x_stream.copy(own.x[ring_add<X_RING>(x_place, AHEAD)]);
            z_stream.copy(own.z[ring_add<RING>(place, AHEAD)]);
        }

        copy_async_commit();
        positions = next;
        if (PACKED && step + 1 < steps)
        {
            next.load(a.sequences, token + STEP, runs.end);
        }

        copy_async_wait<AHEAD>();
        warp_barrier();

        uint32 x[STEP + PAST][PAIRS];
#pragma unroll
        for (int i = -PAST; i < STEP; i++)
        {
            int back = (i + PAST_STEPS * STEP) / STEP - PAST_STEPS;
            own.x[ring_add<X_RING>(x_place, back)].own(x[PAST + i], i - back * STEP, lane);
        }

        uint32 y[STEP][PAIRS];
        if (PACKED && positions.reach_behind())
        {
            convolve<true>(y, x, own.z[place], memory.basis[group], memory.statics[group], positions);
        }
        else
        {
            convolve<false>(y, x, own.z[place], memory.basis[group], memory.statics[group], positions);
        }

#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            if (i < left)
            {
                store_pairs(to + i * a.y.time_stride, y[i]);
            }
        }

        to += STEP * a.y.time_stride;
        token += STEP;
        left -= STEP;
        x_place = ring_add<X_RING>(x_place, 1);
        place = ring_add<RING>(place, 1);
    }

    // A run shorter than AHEAD steps has asked for more than it used, and may not end before it is there.
    copy_async_wait<0>();
}
