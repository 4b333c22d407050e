// y[b,t,d] = sum_w (sum_r z[b,t,r] U[r,w,d] + s[w,d]) x[b,t-w,d] (+ x) in bfloat16, the filters mixed on tensor cores.
//
// A block takes the channels of COLUMNS warps and the tokens of WARPS / COLUMNS warps of one batch entry. Each warp walks along
// its runs (low_rank_tiles.cuh says which lane holds which token and channel) with AHEAD steps of x and z on their way. x and
// y move once, and with FINISH = SILU_GRADIENT dy.
#include "low_rank_tiles.cuh"
#include "convolution_finish.cuh"

static constexpr int THREADS = WARPS * WARP;
static constexpr int RING = AHEAD + 1;

struct LowRankForward
{
    Rows<const bf16> x;
    Rows<const bf16> z;
    Rows<bf16> y;
    Rows<const bf16> state;
    Sequences sequences;
    Weights weights;
    Finish<bf16> finish;
    int channels;
    int run; // tokens of a run, a multiple of STEP * RING
};

struct WarpMemory
{
    RowStep x[RING];
    FactorStep z[RING];
};

struct ForwardMemory
{
    FilterTiles learned[COLUMNS];
    StaticTiles static_tiles[COLUMNS];
    WarpMemory warps[WARPS];
};

static_assert(sizeof(ForwardMemory) == SHARED_BYTES, "LowRankTiling.cs asks for another amount of memory");

// The rows that filters reach back to from the lane's first token, oldest first: tokens before the batch entry's first
// come from the initial state, or are zeros.
DEVICE void load_past(
    LaneRow (&rows)[PAST + STEP], const Rows<const bf16>& x, const Rows<const bf16>& state, const Runs& runs,
    int64 channel, int channels, int lane)
{
    int64 token = runs.token(lane / 4);
#pragma unroll
    for (int i = 0; i < PAST; i++)
    {
        int64 t = token - PAST + i;
        rows[i] = {};
        if (channel < channels && t < runs.end && (t >= 0 || (t >= -PAST && state.first != nullptr)))
        {
            rows[i] = LaneRow::load((t >= 0 ? x.at(runs.batch, t) : state.at(runs.batch, PAST + t)) + channel);
        }
    }
}

// The factors of a step as first factors of products.
DEVICE void load_factors(uint32 (&factors)[TILES][RANK_TILES][4], const FactorStep& z, int lane)
{
#pragma unroll
    for (int m = 0; m < TILES; m++)
    {
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            z.rows(factors[m][k], m, k, lane);
        }
    }
}

// The results of STEP tokens of each run: x in rows -PAST .. STEP - 1, counted from the step's first token. y holds dy where that
// takes part.
template <bool NEAR_START>
DEVICE void convolve(
    LaneRow (&y)[STEP], const LaneRow (&x)[PAST + STEP], const FactorStep& z, const FilterMixer<KEPT != 0>& filters,
    const Positions& positions, const Finish<bf16>& finish, int64 channel, bool inside)
{
    uint32 factors[TILES][RANK_TILES][4];
    load_factors(factors, z, filters.lane);
#pragma unroll
    for (int j = 0; j < PAIRS; j++)
    {
        float sums[STEP][2] = {};
#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            float f[TILES][4];
            filters.mix(f, factors, w, j);
#pragma unroll
            for (int i = 0; i < STEP; i++)
            {
                uint32 pair = x[PAST + i - w].words[j];
                if (NEAR_START && w > positions.at(i))
                {
                    pair = 0;
                }

                sums[i][0] = fused_multiply_add(f[i / 2][i % 2 * 2], low_float(pair), sums[i][0]);
                sums[i][1] = fused_multiply_add(f[i / 2][i % 2 * 2 + 1], high_float(pair), sums[i][1]);
            }
        }

        float bias[2];
#pragma unroll
        for (int c = 0; c < 2; c++)
        {
            bias[c] = inside ? finish.bias_of(channel + 2 * j + c) : 0.f;
        }

#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            uint32 dy = FINISH == SILU_GRADIENT ? y[i].words[j] : 0;
            y[i].words[j] = pack_bf16(finished(sums[i][0], bias[0], low_float(dy)), finished(sums[i][1], bias[1], high_float(dy)));
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) low_rank_forward_tensor(const LowRankForward a)
{
    after_earlier_launches();
    extern __shared__ Bits128 shared_memory[];
    ForwardMemory& memory = *reinterpret_cast<ForwardMemory*>(shared_memory);
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    int column = warp % COLUMNS;

    // Channels first: blocks that run together read whole rows.
    int64 channel_blocks = (a.channels + COLUMNS * WARP_CHANNELS - 1) / (COLUMNS * WARP_CHANNELS);
    int64 block_tokens = (int64)(WARPS / COLUMNS * RUNS) * a.run;
    int64 token_blocks = (a.sequences.time + block_tokens - 1) / block_tokens;
    int64 block = blockIdx.x;
    int first_channel = (int)(block % channel_blocks) * (COLUMNS * WARP_CHANNELS);
    block /= channel_blocks;
    Runs runs(block / token_blocks, (block % token_blocks * (WARPS / COLUMNS) + warp / COLUMNS) * RUNS, a.run, a.sequences);
    int64 channel = first_channel + column * WARP_CHANNELS;

    WarpMemory& own = memory.warps[warp];
    RowStream x_stream(a.x, runs, channel, a.channels, lane);
    FactorStream z_stream(a.z, runs, a.run, lane);
#pragma unroll
    for (int step = 0; step < AHEAD; step++)
    {
        x_stream.copy(own.x[step], lane);
        z_stream.copy(own.z[step], lane);
        copy_async_commit();
    }

    int64 own_channel = channel + lane % 4 * LANE_CHANNELS;
    LaneRow x[PAST + STEP];
    load_past(x, a.x, a.state, runs, own_channel, a.channels, lane);
    fill_weights<THREADS, COLUMNS>(memory.learned, memory.static_tiles, nullptr, a.weights, first_channel, a.channels);
    block_barrier();

    const FilterMixer<KEPT != 0> filters(memory.learned[column], memory.static_tiles[column], lane);
    int64 token = runs.token(lane / 4);
    bf16* to = a.y.at(runs.batch, token) + own_channel;
    int left = own_channel < a.channels ? runs.tokens_left(token) : 0;
    PositionStream position_stream(a.sequences, token);
    int steps = a.run / STEP;
#pragma unroll 1
    for (int first_step = 0; first_step < steps; first_step += RING)
    {
#pragma unroll
        for (int place = 0; place < RING; place++)
        {
            int step = first_step + place;
            copy_async_wait<AHEAD - 1>();

            // Every lane's copies are there, and every lane has read what the next copies overwrite.
            warp_barrier();
            if (step + AHEAD < steps)
            {
                x_stream.copy(own.x[(place + AHEAD) % RING], lane);
                z_stream.copy(own.z[(place + AHEAD) % RING], lane);
            }

            copy_async_commit();
            Positions positions = position_stream.take();
#pragma unroll
            for (int i = 0; i < STEP; i++)
            {
                x[PAST + i] = own.x[place].own(i, lane);
            }

            LaneRow y[STEP];
            if constexpr (FINISH == SILU_GRADIENT)
            {
#pragma unroll
                for (int i = 0; i < STEP; i++)
                {
                    y[i] = i < left ? LaneRow::load(a.finish.dy.at(runs.batch, token + (int64)step * STEP + i) + own_channel) : LaneRow{};
                }
            }

            if (PACKED && positions.reach_behind())
            {
                convolve<true>(y, x, own.z[place], filters, positions, a.finish, own_channel, own_channel < a.channels);
            }
            else
            {
                convolve<false>(y, x, own.z[place], filters, positions, a.finish, own_channel, own_channel < a.channels);
            }

#pragma unroll
            for (int i = 0; i < STEP; i++)
            {
                if (i < left)
                {
                    y[i].store(to);
                }

                to += a.y.time_stride;
            }

#pragma unroll
            for (int i = 0; i < PAST; i++)
            {
                x[i] = x[STEP + i];
            }

            left -= STEP;
        }
    }
}
