// What the gradients of attention take off: d = dy . y for each query. Writes pairs (l, d) as [batch, head, padded query], with l,
// the logarithm of the sum of exponentials, in units of `unit`, and (infinity, 0) behind the last query, which makes its
// probabilities zero; and sets the counters `turns`, where there are any, to zero. LANES lanes share a row; neighbouring blocks
// take neighbouring heads.
// Macros: ELEMENT, HEAD, PIECE (elements of an access; divides HEAD), LANES (a power of two).
#include "attention.cuh"

typedef ELEMENT Element;

static constexpr int THREADS = 256;
static constexpr int GROUPS = THREADS / LANES;
static constexpr int STEPS = (HEAD / PIECE + LANES - 1) / LANES;

// Rows of a group whose loads are under way together.
static constexpr int ROWS = STEPS == 1 ? 4 : 1;

extern "C" __global__ void __launch_bounds__(THREADS) attention_delta(
    HeadRows<const Element> y, HeadRows<const Element> dy, const float* logarithms, float* pairs, uint32* turns, int turn_count,
    int batches, int heads, int queries, int padded_queries, float unit)
{
    after_earlier_launches();
    int all_heads = batches * heads;
    int head = blockIdx.x % all_heads;
    int first = blockIdx.x / all_heads * (GROUPS * ROWS) + threadIdx.x / LANES;
    int lane = threadIdx.x % LANES;
    int64 thread = (int64)blockIdx.x * THREADS + threadIdx.x;
    if (thread < turn_count)
    {
        turns[thread] = 0;
    }

    const Element* a = y.of(head / heads, head % heads);
    const Element* b = dy.of(head / heads, head % heads);
    float products[ROWS] = {};
#pragma unroll
    for (int step = 0; step < STEPS; step++)
    {
        int c = (step * LANES + lane) * PIECE;
        Packet<Element, PIECE> left[ROWS], right[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++)
        {
            int64 query = first + i * GROUPS;
            if (query < queries && c < HEAD)
            {
                left[i] = Packet<Element, PIECE>::load(a + query * y.time + c);
                right[i] = Packet<Element, PIECE>::load(b + query * dy.time + c);
            }
        }

#pragma unroll
        for (int i = 0; i < ROWS; i++)
        {
            if (first + i * GROUPS < queries && c < HEAD)
            {
#pragma unroll
                for (int k = 0; k < PIECE; k++)
                {
                    products[i] = fused_multiply_add(left[i][k], right[i][k], products[i]);
                }
            }
        }
    }

#pragma unroll
    for (int i = 0; i < ROWS; i++)
    {
#pragma unroll
        for (int mask = LANES / 2; mask > 0; mask /= 2)
        {
            products[i] += shuffle_xor(products[i], mask);
        }

        int query = first + i * GROUPS;
        if (lane == 0 && query < padded_queries)
        {
            bool valid = query < queries;
            const float pair[2] = {valid ? logarithms[(int64)head * queries + query] * unit : infinity(), products[i]};
            Packet<float, 2>::of(pair).store(pairs + ((int64)head * padded_queries + query) * 2);
        }
    }
}
