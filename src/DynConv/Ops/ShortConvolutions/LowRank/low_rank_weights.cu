// The gradients of the learned filters and of the static weight of a low-rank convolution, for any shape and type:
//   dU[r,w,d] = sum_b,t z[b,t,r] dy[b,t,d] x[b,t-w,d],   ds[w,d] = sum_b,t dy[b,t,d] x[b,t-w,d],
// as sums over the tokens of each part: partial_sums.cu adds these up.
//
// A block owns THREADS channels, one a thread, RANKS ranks and a part of all tokens, b T + t in order; the sums stay in
// registers. Macro besides: RANKS.
#include "convolution_filters.cuh"

static constexpr int THREADS = 128;
static constexpr int PIECE = 32; // tokens whose factors are in shared memory

struct LowRankWeights
{
    Rows<const ELEMENT> x;
    Rows<const ELEMENT> z;
    Rows<const ELEMENT> dy;
    Rows<const ELEMENT> state;
    Sequences sequences;
    float* u_sums;      // [parts, R, WIDTH * D], or null
    float* static_sums; // [parts, WIDTH, D], or null
    int64 rank;
    int64 channels;
    int64 part; // tokens
};

struct Factors { float of[PIECE][RANKS]; };

extern "C" __global__ void __launch_bounds__(THREADS) low_rank_weights(const LowRankWeights a)
{
    after_earlier_launches();
    __shared__ Factors factors;
    int64 channel_blocks = (a.channels + THREADS - 1) / THREADS;
    int64 rank_blocks = maximum((int64)1, (a.rank + RANKS - 1) / RANKS); // of rank 0 where U's gradient is not wanted
    int64 d = blockIdx.x % channel_blocks * THREADS + threadIdx.x;
    int64 first_rank = blockIdx.x / channel_blocks % rank_blocks * RANKS;
    int64 part = blockIdx.x / channel_blocks / rank_blocks;
    int64 tokens = a.sequences.batch * a.sequences.time;
    int64 end = minimum(tokens, (part + 1) * a.part);
    bool inside = d < a.channels;

    float u[RANKS][WIDTH] = {};
    float static_weight[WIDTH] = {};
    for (int64 first = part * a.part; first < end; first += PIECE)
    {
        int count = (int)minimum((int64)PIECE, end - first);
        block_barrier();
        for (int i = threadIdx.x; i < count * RANKS; i += THREADS)
        {
            int64 token = first + i / RANKS;
            int64 r = first_rank + i % RANKS;
            factors.of[i / RANKS][i % RANKS] =
                r < a.rank ? to_float(a.z.at(token / a.sequences.time, token % a.sequences.time)[r]) : 0.f;
        }

        block_barrier();
        int64 b = first / a.sequences.time;
        int64 t = first % a.sequences.time;
        for (int i = 0; inside && i < count; i++)
        {
            float dy = to_float(a.dy.at(b, t)[d]);
#pragma unroll
            for (int w = 0; w < WIDTH; w++)
            {
                const ELEMENT* row = input_before<WIDTH>(a.x, a.state, a.sequences, b, t, w);
                float product = row == nullptr ? 0.f : dy * to_float(row[d]);
                static_weight[w] += product;
#pragma unroll
                for (int r = 0; r < RANKS; r++)
                {
                    u[r][w] = fused_multiply_add(factors.of[i][r], product, u[r][w]);
                }
            }

            t++;
            if (t == a.sequences.time)
            {
                t = 0;
                b++;
            }
        }
    }

    if (!inside)
    {
        return;
    }

#pragma unroll
    for (int w = 0; w < WIDTH; w++)
    {
        int64 column = w * a.channels + d;
        int64 row = WIDTH * a.channels;
#pragma unroll
        for (int r = 0; r < RANKS; r++)
        {
            if (a.u_sums != nullptr && first_rank + r < a.rank)
            {
                a.u_sums[(part * a.rank + first_rank + r) * row + column] = u[r][w];
            }
        }

        if (a.static_sums != nullptr && first_rank == 0)
        {
            a.static_sums[part * row + column] = static_weight[w];
        }
    }
}
