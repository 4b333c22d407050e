// dk[b, t, h, w] = sum over the channels of head h of dy[b, t] x[b, t - w], for heads of any size: a warp takes a token's
// head, its lanes every 32nd channel.
//
// Macros: ELEMENT (float or bf16), WIDTH (W).
#include "convolution.cuh"

static constexpr int THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS) head_wise_weight_gradient(
    Rows<const ELEMENT> x, Rows<const ELEMENT> state, Rows<const ELEMENT> dy, Rows<ELEMENT> dk, Sequences sequences,
    int64 heads, int64 head_size, int accumulate)
{
    after_earlier_launches();
    int64 index = (int64)blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP;
    int64 head = index % heads;
    int64 token = index / heads;
    int64 b = token / sequences.time;
    int64 t = token % sequences.time;
    if (b >= sequences.batch)
    {
        return;
    }

    const ELEMENT* inputs[WIDTH];
    float sums[WIDTH] = {};
#pragma unroll
    for (int w = 0; w < WIDTH; w++)
    {
        inputs[w] = input_before<WIDTH>(x, state, sequences, b, t, w);
    }

    int lane = threadIdx.x % WARP;
    const ELEMENT* upstream = dy.at(b, t);
    for (int64 c = head * head_size + lane; c < (head + 1) * head_size; c += WARP)
    {
        float gradient = to_float(upstream[c]);
#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            if (inputs[w] != nullptr)
            {
                sums[w] = fused_multiply_add(gradient, to_float(inputs[w][c]), sums[w]);
            }
        }
    }

#pragma unroll
    for (int w = 0; w < WIDTH; w++)
    {
        float sum = warp_sum(sums[w]);
        if (lane == 0)
        {
            put(dk.at(b, t) + head * WIDTH + w, sum, accumulate != 0);
        }
    }
}
