// The gradient of the factors of a low-rank convolution, for any shape and type:
//   dz[b,t,r] = sum_w,d dy[b,t,d] x[b,t-w,d] U[r,w,d].
//
// A block owns TOKENS tokens of a batch entry and RANKS ranks, a thread TOKENS_A_THREAD tokens and one rank. Channels
// come CHANNELS at a time, taps one by one: the products dy x and the filters U pass through shared memory. Macro
// besides: RANKS (a power of two up to 32).
#include "convolution_filters.cuh"

static constexpr int THREADS = 128;
static constexpr int TOKENS_A_THREAD = 4;
static constexpr int TOKENS = THREADS / RANKS * TOKENS_A_THREAD;
static constexpr int CHANNELS = 64;
static constexpr int QUAD = 4;
static constexpr int ROW = CHANNELS + QUAD; // so that rows of neighbouring ranks begin in different banks

struct LowRankFactors
{
    Rows<const ELEMENT> x;
    Rows<const ELEMENT> dy;
    Rows<ELEMENT> dz;
    Rows<const ELEMENT> state;
    Sequences sequences;
    LearnedFilters learned;
    int64 channels;
    int64 accumulate;
};

struct alignas(16) FactorMemory
{
    float products[TOKENS][ROW];
    float filters[RANKS][ROW];
};

DEVICE float product(const LowRankFactors& a, int64 b, int64 t, int w, int64 d)
{
    if (t >= a.sequences.time || d >= a.channels)
    {
        return 0.f;
    }

    const ELEMENT* row = input_before<WIDTH>(a.x, a.state, a.sequences, b, t, w);
    return row == nullptr ? 0.f : to_float(a.dy.at(b, t)[d]) * to_float(row[d]);
}

extern "C" __global__ void __launch_bounds__(THREADS) low_rank_factors(const LowRankFactors a)
{
    after_earlier_launches();
    __shared__ FactorMemory memory;
    int64 rank_blocks = (a.learned.rank + RANKS - 1) / RANKS;
    int64 token_blocks = (a.sequences.time + TOKENS - 1) / TOKENS;
    int64 first_rank = blockIdx.x % rank_blocks * RANKS;
    int64 block = blockIdx.x / rank_blocks;
    int64 b = block / token_blocks;
    int64 first = block % token_blocks * TOKENS;
    int rank = threadIdx.x % RANKS;
    int token = threadIdx.x / RANKS * TOKENS_A_THREAD;

    float sums[TOKENS_A_THREAD] = {};
    for (int64 channel = 0; channel < a.channels; channel += CHANNELS)
    {
        for (int w = 0; w < WIDTH; w++)
        {
            block_barrier();
            for (int i = threadIdx.x; i < TOKENS * CHANNELS; i += THREADS)
            {
                memory.products[i / CHANNELS][i % CHANNELS] = product(a, b, first + i / CHANNELS, w, channel + i % CHANNELS);
            }

            for (int i = threadIdx.x; i < RANKS * CHANNELS; i += THREADS)
            {
                int64 r = first_rank + i / CHANNELS;
                int64 d = channel + i % CHANNELS;
                bool there = r < a.learned.rank && d < a.channels;
                memory.filters[i / CHANNELS][i % CHANNELS] = there ? a.learned.at(r, w, d, a.channels) : 0.f;
            }

            block_barrier();
#pragma unroll 4
            for (int c = 0; c < CHANNELS; c += QUAD)
            {
                Packet<float, QUAD> u = Packet<float, QUAD>::load(&memory.filters[rank][c]);
#pragma unroll
                for (int i = 0; i < TOKENS_A_THREAD; i++)
                {
                    Packet<float, QUAD> p = Packet<float, QUAD>::load(&memory.products[token + i][c]);
#pragma unroll
                    for (int k = 0; k < QUAD; k++)
                    {
                        sums[i] = fused_multiply_add(p[k], u[k], sums[i]);
                    }
                }
            }
        }
    }

#pragma unroll
    for (int i = 0; i < TOKENS_A_THREAD; i++)
    {
        int64 t = first + token + i;
        if (t < a.sequences.time && first_rank + rank < a.learned.rank)
        {
            put(a.dz.at(b, t) + first_rank + rank, sums[i], a.accumulate != 0);
        }
    }
}
