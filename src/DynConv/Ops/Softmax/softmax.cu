// y = e^x / sum of e^x along rows, and its gradient. A block takes a row, whose elements are a block's threads apart.
#include "row_strides.cuh"

static constexpr int WARPS = THREADS / WARP;

extern "C" __global__ void __launch_bounds__(THREADS)
    softmax_forward(const __grid_constant__ RowStrides layout, int64 length, const TYPE* x, TYPE* y)
{
    after_earlier_launches();
    __shared__ float scratch[2][WARPS];
    int64 at[2];
    layout.find(blockIdx.x, at);
    x += at[0];
    y += at[1];
    float top = -3.4028234663852886e38f;
    for (int64 i = threadIdx.x; i < length; i += THREADS)
    {
        top = larger(top, to_float(x[i]));
    }

    top = block_maximum<THREADS>(top, scratch[0]);
    float sum = 0.f;
    for (int64 i = threadIdx.x; i < length; i += THREADS)
    {
        sum += exp_of(to_float(x[i]) - top);
    }

    float share = 1.f / block_sum<THREADS>(sum, scratch[1]);
    for (int64 i = threadIdx.x; i < length; i += THREADS)
    {
        y[i] = from_float<TYPE>(exp_of(to_float(x[i]) - top) * share);
    }
}

// dx = y (dy - sum of dy y).
extern "C" __global__ void __launch_bounds__(THREADS) softmax_backward(
    const __grid_constant__ RowStrides layout, int64 length, const TYPE* dy, const TYPE* y, TYPE* dx, int accumulate)
{
    after_earlier_launches();
    __shared__ float scratch[WARPS];
    int64 at[3];
    layout.find(blockIdx.x, at);
    dy += at[0];
    y += at[1];
    dx += at[2];
    float dot = 0.f;
    for (int64 i = threadIdx.x; i < length; i += THREADS)
    {
        dot = fused_multiply_add(to_float(dy[i]), to_float(y[i]), dot);
    }

    dot = block_sum<THREADS>(dot, scratch);
    for (int64 i = threadIdx.x; i < length; i += THREADS)
    {
        put(dx + i, to_float(y[i]) * (to_float(dy[i]) - dot), accumulate != 0);
    }
}
