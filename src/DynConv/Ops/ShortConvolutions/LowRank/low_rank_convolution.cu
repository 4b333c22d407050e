// The low-rank convolution for any shape, width, rank, alignment and type:
//   y[b,t,d] = sum_w f_w(t) x[b,t-w,d]          with f_w(t) = sum_r z[b,t,r] U[r,w,d] + s[w,d] (+ 1 at w = 0),
// and with BACKWARD = 1 the gradient of x, dx[b,t,d] = sum_w f_w(t+w) dy[b,t+w,d], where dy stands for x and dx for y.
//
// A thread owns a channel and TOKENS tokens, whose filters it mixes in registers; a block owns THREADS channels. The
// factors of its tokens pass through shared memory, PIECE ranks at a time. Macros besides: BACKWARD, TOKENS (a multiple
// of 4), FINISH (of the forward direction).
#include "convolution_filters.cuh"
#include "convolution_finish.cuh"

static constexpr int THREADS = 128;
static constexpr int PIECE = 16;
static constexpr int QUAD = 4;
static constexpr int PAST = WIDTH - 1;
static constexpr int FACTOR_TOKENS = (TOKENS + (BACKWARD ? PAST : 0) + QUAD - 1) / QUAD * QUAD;

struct LowRankConvolution
{
    Rows<const ELEMENT> x;
    Rows<const ELEMENT> z;
    Rows<ELEMENT> y;
    Rows<const ELEMENT> state; // of the forward direction
    Sequences sequences;
    LearnedFilters learned;
    StaticWeight static_weight;
    Finish<ELEMENT> finish;
    int64 channels;
    int64 accumulate; // whether the results are added to what is there
};

typedef float OwnFilters[TOKENS][WIDTH];

struct alignas(16) Factors { float of[PIECE][FACTOR_TOKENS]; };

// Adds what PIECE ranks from `first` on give to the filters of channel d.
DEVICE void mix(OwnFilters& filters, const Factors& factors, const LowRankConvolution& a, int64 first, int64 d)
{
    int ranks = (int)minimum((int64)PIECE, a.learned.rank - first);
    for (int r = 0; r < ranks; r++)
    {
        float z[FACTOR_TOKENS];
#pragma unroll
        for (int i = 0; i < FACTOR_TOKENS; i += QUAD)
        {
            Packet<float, QUAD> quad = Packet<float, QUAD>::load(&factors.of[r][i]);
#pragma unroll
            for (int k = 0; k < QUAD; k++)
            {
                z[i + k] = quad[k];
            }
        }

#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            float u = a.learned.at(first + r, w, d, a.channels);
#pragma unroll
            for (int i = 0; i < TOKENS; i++)
            {
                filters[i][w] = fused_multiply_add(z[i + (BACKWARD ? w : 0)], u, filters[i][w]);
            }
        }
    }
}

// What tap w contributes to token t: x before it or, backwards, the gradient behind it; zero where the sequence ends.
DEVICE float operand(const LowRankConvolution& a, int64 b, int64 t, int w, int64 d)
{
    if (BACKWARD)
    {
        bool inside = t + w < a.sequences.time && a.sequences.position(t + w) >= w;
        return inside ? to_float(a.x.at(b, t + w)[d]) : 0.f;
    }

    const ELEMENT* row = input_before<WIDTH>(a.x, a.state, a.sequences, b, t, w);
    return row == nullptr ? 0.f : to_float(row[d]);
}

extern "C" __global__ void __launch_bounds__(THREADS) low_rank_convolution(const LowRankConvolution a)
{
    after_earlier_launches();
    __shared__ Factors factors;
    int64 channel_blocks = (a.channels + THREADS - 1) / THREADS;
    int64 token_blocks = (a.sequences.time + TOKENS - 1) / TOKENS;
    int64 d = blockIdx.x % channel_blocks * THREADS + threadIdx.x;
    int64 block = blockIdx.x / channel_blocks;
    int64 b = block / token_blocks;
    int64 first = block % token_blocks * TOKENS;
    bool inside = d < a.channels;

    OwnFilters filters;
#pragma unroll
    for (int w = 0; w < WIDTH; w++)
    {
        float static_weight = inside ? a.static_weight.at(w, d) : 0.f;
#pragma unroll
        for (int i = 0; i < TOKENS; i++)
        {
            filters[i][w] = static_weight;
        }
    }

    for (int64 rank = 0; rank < a.learned.rank; rank += PIECE)
    {
        block_barrier();
        for (int i = threadIdx.x; i < PIECE * FACTOR_TOKENS; i += THREADS)
        {
            int64 r = rank + i % PIECE;
            int64 t = first + i / PIECE;
            bool there = r < a.learned.rank && t < a.sequences.time;
            factors.of[i % PIECE][i / PIECE] = there ? to_float(a.z.at(b, t)[r]) : 0.f;
        }

        block_barrier();
        if (inside)
        {
            mix(filters, factors, a, rank, d);
        }
    }

    if (!inside)
    {
        return;
    }

#pragma unroll
    for (int i = 0; i < TOKENS; i++)
    {
        int64 t = first + i;
        if (t < a.sequences.time)
        {
            float sum = 0.f;
#pragma unroll
            for (int w = 0; w < WIDTH; w++)
            {
                sum = fused_multiply_add(filters[i][w], operand(a, b, t, w, d), sum);
            }

            float dy = FINISH == SILU_GRADIENT ? to_float(a.finish.dy.at(b, t)[d]) : 0.f;
            put(a.y.at(b, t) + d, finished(sum, a.finish.bias_of(d), dy), a.accumulate != 0);
        }
    }
}
