// The gradients of y[b,t,d] = sum_w (sum_r z[b,t,r] U[r,w,d] + s[w,d]) x[b,t-w,d] (+ x) in bfloat16, on tensor cores:
//   dx[t] = sum_w f_w(t+w) dy[t+w] with the filters f mixed again, and from the products p_w(t) = dy[t] x[t-w]
//   dz[t,r] = sum_w,d p U,   dU[r,w,d] = sum_t z p,   ds[w,d] = sum_t p.
//
// A block takes the channels of WARPS warps and RUNS runs of tokens of one batch entry; the warps walk along the runs
// (low_rank_tiles.cuh) side by side. x, dy and z come through rings of shared memory; dU and ds stay in registers until the
// end of the runs and leave as sums over the block's tokens, dz leaves step by step as sums over the block's channels:
// low_rank_sums.cu adds them up. The products are made twice, with pairs of channels in a register for dz and, read
// transposed from shared memory, with pairs of tokens for dU. Behind its end a run needs the filters of the next PAST
// tokens, for dx alone. Macros besides: WARPS, AHEAD.
#include "low_rank_steps.cuh"

struct LowRankBackward
{
    Rows<const bf16> x;
    Rows<const bf16> z;
    Rows<const bf16> dy;
    Rows<bf16> dx; // its first is null where dx is not wanted
    Rows<const bf16> state;
    Sequences sequences;
    Weights weights;
    float* z_sums;      // [channel blocks, B * T, RANKS]
    float* u_sums;      // [token blocks, R, WIDTH, D]
    float* static_sums; // [token blocks, WIDTH, D]
    int channels;
    int run;
    int accumulate; // whether dx is added to what is there
};

// Adds up the warps' parts of dz of a step, in the warps' order.
DEVICE void store_factor_sums(const FactorSums* sums, float* z_sums, const Runs& runs, int step)
{
    constexpr int pieces = TILES * HALVES * WARP * 2;
#pragma unroll
    for (int k = 0; k < (pieces + THREADS - 1) / THREADS; k++)
    {
        int piece = k * THREADS + threadIdx.x;
        if (pieces % THREADS != 0 && piece >= pieces)
        {
            break;
        }

        float low = 0.f;
        float high = 0.f;
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++)
        {
            Bits64 pair = reinterpret_cast<const Bits64*>(&sums[warp])[piece];
            low += float_of_bits(pair.x);
            high += float_of_bits(pair.y);
        }

        int e = piece % 2;
        int lane = piece / 2 % WARP;
        int half = piece / 2 / WARP % HALVES;
        int m = piece / 2 / WARP / HALVES;
        int64 token = runs.token(lane / 4) + step * STEP + 2 * m + e;
        if (token < runs.end)
        {
            float* to = z_sums + token * RANKS + half * 8 + lane % 4 * 2;
            *reinterpret_cast<Bits64*>(to) = Bits64{bits_of_float(low), bits_of_float(high)};
        }
    }
}

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

extern "C" __global__ void __launch_bounds__(THREADS, 1) low_rank_backward_tensor(const LowRankBackward a)
{
    extern __shared__ Bits128 shared_memory[];
    BlockMemory& memory = *reinterpret_cast<BlockMemory*>(shared_memory);
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;

    // Channels first: blocks that run together read whole rows.
    int64 channel_blocks = (a.channels + WARPS * WARP_CHANNELS - 1) / (WARPS * WARP_CHANNELS);
    int64 token_blocks = (a.sequences.time + (int64)RUNS * a.run - 1) / ((int64)RUNS * a.run);
    int64 channel_block = blockIdx.x % channel_blocks;
    int64 token_block = blockIdx.x / channel_blocks;
    int first_channel = (int)channel_block * (WARPS * WARP_CHANNELS);
    int64 channel = first_channel + warp * WARP_CHANNELS;
    int64 own_channel = channel + lane % 4 * LANE_CHANNELS;
    Runs runs;
    runs.batch = token_block / token_blocks;
    runs.run = a.run;
    runs.first = token_block % token_blocks * RUNS * a.run;
    runs.end = a.sequences.time;

    WarpMemory& own = memory.warps[warp];
    RowStream x_stream;
    RowStream dy_stream;
    FactorStream z_stream;
    x_stream.start(a.x, runs, channel, a.channels, lane);
    dy_stream.start(a.dy, runs, channel, a.channels, lane);
    z_stream.start(a.z, runs, lane);
    x_stream.copy_past(own.x, a.state, runs, channel);
#pragma unroll
    for (int step = 0; step < AHEAD; step++)
    {
        x_stream.copy(own.x[PAST_STEPS + step]);
        dy_stream.copy(own.dy[step]);
        z_stream.copy(own.z[step]);
        copy_async_commit();
    }

    fill_weights<THREADS>(memory.basis, memory.statics, WARPS, a.weights, first_channel, a.channels);
    block_barrier();

    int64 token = runs.token(lane / 4);
    int left = own_channel < a.channels ? runs.tokens_left(token) : 0;
    bf16* to = a.dx.at(runs.batch, token - PAST) + own_channel;
    float* z_sums = a.z_sums + (channel_block * a.sequences.batch + runs.batch) * a.sequences.time * RANKS;
    Positions positions;
    Positions next;
    if (PACKED)
    {
        next.load(a.sequences, token, runs.end);
    }

    Sums sums = {};
    float carried[PAIRS][PAST + 1][2] = {};
    Places places{PAST_STEPS, 0};
    int steps = a.run / STEP;
    for (int step = 0; step < steps + PAST_STEPS; step++)
    {
        // What the step before this one read is free again once every lane has passed here.
        warp_barrier();
        if (step + AHEAD < steps + PAST_STEPS)
        {
            if (step + AHEAD < steps)
            {
                x_stream.copy(own.x[ring_add<X_RING>(places.x, AHEAD)]);
            }

            dy_stream.copy(own.dy[ring_add<RING>(places.other, AHEAD)]);
            z_stream.copy(own.z[ring_add<RING>(places.other, AHEAD)]);
        }

        copy_async_commit();
        bool near_start = false;
        if (PACKED)
        {
            positions = next;
            near_start = positions.reach_behind();
            next.load(a.sequences, token + (step + 1) * STEP, runs.end);
        }

        copy_async_wait<AHEAD>();
        warp_barrier();

        bool inside = step < steps;
        if (inside)
        {
            if (PACKED && near_start)
            {
                add_weight_gradients<true>(sums, own, places, positions, lane);
            }
            else
            {
                add_weight_gradients<false>(sums, own, places, positions, lane);
            }
        }

        uint32 dy[STEP][PAIRS];
#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            own.dy[places.other].own(dy[i], i, lane);
        }

        if (inside)
        {
            if (PACKED && near_start)
            {
                sum_factors<true>(memory.sums[step % 2][warp], dy, own, places, memory.basis[warp], positions, lane);
            }
            else
            {
                sum_factors<false>(memory.sums[step % 2][warp], dy, own, places, memory.basis[warp], positions, lane);
            }
        }

        if (a.dx.first != nullptr)
        {
            uint32 dx[STEP][PAIRS] = {};
            bool stored[STEP];
#pragma unroll
            for (int i = 0; i < STEP; i++)
            {
                int at = step * STEP + i - PAST;
                stored[i] = at >= 0 && at < minimum(left, a.run);
                if (a.accumulate != 0 && stored[i])
                {
                    load_pairs(dx[i], to + i * a.dx.time_stride);
                }
            }

            if (PACKED && near_start)
            {
                correlate<true>(dx, carried, dy, own.z[places.other], memory.basis[warp], memory.statics[warp], positions, a.accumulate != 0, lane);
            }
            else
            {
                correlate<false>(dx, carried, dy, own.z[places.other], memory.basis[warp], memory.statics[warp], positions, a.accumulate != 0, lane);
            }

#pragma unroll
            for (int i = 0; i < STEP; i++)
            {
                if (stored[i])
                {
                    store_pairs(to + i * a.dx.time_stride, dx[i]);
                }
            }

            to += STEP * a.dx.time_stride;
        }

        if (inside)
        {
            block_barrier();
            store_factor_sums(memory.sums[step % 2], z_sums, runs, step);
        }

        places.x = ring_add<X_RING>(places.x, 1);
        places.other = ring_add<RING>(places.other, 1);
    }

    copy_async_wait<0>();
    store_weight_sums(a, sums, token_block, channel, lane);
}
