// Two small gradients of head-wise and static convolutions.
//
// Macros: ELEMENT (float or bf16), WIDTH (W), STATIC_WEIGHT (type of s; any where there is none).
#include "convolution.cuh"

static constexpr int THREADS = 256;

// Of the initial state; a filter of one tap has none, and its state gradient is never launched.
static constexpr int STATE_ROWS = WIDTH > 1 ? WIDTH - 1 : 1;

// dk[b, t, h, w] = sum over the channels of head h of dy[b, t] x[b, t - w], for heads of any size: a warp takes a token's
// head, its lanes every 32nd channel.
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

// dstate[n, j] = sum over the sequence's tokens p <= j of f_w(p) dy[p] with w = W - 1 + p - j: a thread takes an element.
extern "C" __global__ void __launch_bounds__(THREADS) head_wise_state_gradient(
    Rows<const ELEMENT> k, const STATIC_WEIGHT* static_weight, int64 static_stride, Rows<const ELEMENT> dy,
    Rows<ELEMENT> dstate, Sequences sequences, int64 channels, int64 head_size, int accumulate)
{
    after_earlier_launches();
    int64 element = (int64)blockIdx.x * THREADS + threadIdx.x;
    int64 c = element % channels;
    int64 j = element / channels % STATE_ROWS;
    int64 n = element / channels / STATE_ROWS;
    if (n >= sequences.count)
    {
        return;
    }

    int64 b = sequences.bounds == nullptr ? n : 0;
    int64 begin = sequences.bounds == nullptr ? 0 : sequences.bounds[n];
    int64 end = sequences.bounds == nullptr ? sequences.time : sequences.bounds[n + 1];
    float sum = 0.f;
    for (int64 p = 0; p <= j && begin + p < end; p++)
    {
        int64 w = WIDTH - 1 + p - j;
        float filter = 0.f;
        if (k.first != nullptr)
        {
            filter += to_float(k.at(b, begin + p)[c / head_size * WIDTH + w]);
        }

        if (static_weight != nullptr)
        {
            filter += to_float(static_weight[w * static_stride + c]);
        }

        sum = fused_multiply_add(filter, to_float(dy.at(b, begin + p)[c]), sum);
    }

    put(dstate.at(n, j) + c, sum, accumulate != 0);
}
