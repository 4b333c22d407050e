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
#include "low_rank_tiles.cuh"

static constexpr int THREADS = WARPS * WARP;
static constexpr int RING = AHEAD + 1;
static constexpr int X_RING = RING + PAST_STEPS;
static constexpr int PRODUCT_TILES = WIDTH * CHUNKS;     // products of a tap and 8 channels
static constexpr int PRODUCT_PAIRS = PRODUCT_TILES / 2;  // fill the rows of a tensor core's tile
static constexpr int STATIC_TILES = (PRODUCT_PAIRS + 7) / 8;

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

    store_weight_sums(a, sums, token_block, channel, lane);
}
