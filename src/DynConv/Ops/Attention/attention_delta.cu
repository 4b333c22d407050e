// What the gradients of attention take off: d = dy . y for each query. One warp a query; writes pairs (l, d) as
// [batch, head, padded query], with l, the logarithm of the sum of exponentials, in units of `unit`, and (infinity, 0)
// behind the last query, which makes its probabilities zero.
// Macros: ELEMENT, HEAD.
#include "attention.cuh"

typedef ELEMENT Element;

static constexpr int THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS) attention_delta(
    HeadRows<const Element> y, HeadRows<const Element> dy, const float* logarithms, float* pairs, int heads,
    int queries, int padded_queries, int64 rows, float unit)
{
    after_earlier_launches();
    int64 row = blockIdx.x * (int64)(THREADS / WARP) + threadIdx.x / WARP;
    if (row >= rows)
    {
        return;
    }

    int64 head = row / padded_queries;
    int query = (int)(row - head * padded_queries);
    int lane = threadIdx.x % WARP;
    float logarithm = infinity();
    float product = 0.f;
    if (query < queries)
    {
        const Element* a = y.of((int)(head / heads), (int)(head % heads)) + query * y.time;
        const Element* b = dy.of((int)(head / heads), (int)(head % heads)) + query * dy.time;
#pragma unroll
        for (int i = 0; i < (HEAD + WARP - 1) / WARP; i++)
        {
            int c = i * WARP + lane;
            if (c < HEAD)
            {
                product = fused_multiply_add(to_float(a[c]), to_float(b[c]), product);
            }
        }

        logarithm = logarithms[head * queries + query] * unit;
    }

    product = warp_sum(product);
    if (lane == 0)
    {
        const float pair[2] = {logarithm, product};
        Packet<float, 2>::of(pair).store(pairs + row * 2);
    }
}
