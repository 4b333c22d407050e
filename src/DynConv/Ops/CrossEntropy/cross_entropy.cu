// The loss of each row of logits, log(sum over v of e^logits[v]) - logits[target], and the gradient of their mean.
//
// A block of THREADS_PER_ROW threads takes one row. Rows may begin anywhere: elements before the first and after the
// last whole 16 bytes are taken one by one.
#include "row_strides.cuh"

static constexpr int VECTOR = 16 / sizeof(TYPE);
static constexpr int WARPS = THREADS_PER_ROW / WARP;

// Chunks that a thread fetches before it uses the first.
static constexpr int BATCH = 4;

static constexpr float LOG2E = 1.4426950408889634f;
static constexpr double LOG_OF_2 = 1.0 / LOG2E;
static constexpr float LOWEST = -3.4028234663852886e38f;

typedef Packet<TYPE, VECTOR> Chunk;

// The part of a row in whole 16 bytes: `chunks` of them from element `head` on.
struct Body
{
    int64 head, chunks;

    DEVICE Body(const TYPE* row, int64 classes)
    {
        int misplaced = (int)((uint64)row % 16 / sizeof(TYPE));
        head = minimum<int64>(classes, (VECTOR - misplaced) % VECTOR);
        chunks = (classes - head) / VECTOR;
    }

    // Element i of those outside, of which there are classes - chunks * VECTOR.
    DEVICE int64 outside(int64 i) const { return i < head ? i : i + chunks * VECTOR; }

    // Calls `use(elements, first)` for all elements of the row that belong to this thread.
    template <class Use>
    DEVICE void for_each(const TYPE* row, int64 classes, const Use& use) const
    {
        for (int64 c = threadIdx.x; c < chunks; c += BATCH * THREADS_PER_ROW)
        {
            Chunk kept[BATCH];
#pragma unroll
            for (int b = 0; b < BATCH; b++)
            {
                if (c + b * THREADS_PER_ROW < chunks)
                {
                    kept[b] = Chunk::load(row + head + (c + b * THREADS_PER_ROW) * VECTOR);
                }
            }

#pragma unroll
            for (int b = 0; b < BATCH; b++)
            {
                if (c + b * THREADS_PER_ROW < chunks)
                {
                    use(kept[b], head + (c + b * THREADS_PER_ROW) * VECTOR);
                }
            }
        }

        for (int64 i = threadIdx.x; i < classes - chunks * VECTOR; i += THREADS_PER_ROW)
        {
            use(Packet<TYPE, 1>::load(row + outside(i)), outside(i));
        }
    }
};

// A sum of powers of 2 relative to the largest exponent so far. An exponent is a logit times LOG2E, minus that, in one
// fused operation, so that neither the product nor a large logit's small digits are rounded before the difference.
struct SoftmaxSum
{
    float shift = LOWEST;
    float sum = 0.f;

    template <int Count>
    DEVICE void add(const Packet<TYPE, Count>& logits)
    {
        float top = logits[0];
#pragma unroll
        for (int k = 1; k < Count; k++)
        {
            top = larger(top, logits[k]);
        }

        top *= LOG2E;
        if (top > shift)
        {
            sum *= exp2_fast(shift - top);
            shift = top;
        }

#pragma unroll
        for (int k = 0; k < Count; k++)
        {
            sum += exp2_fast(fused_multiply_add(logits[k], LOG2E, -shift));
        }
    }
};

// Writes the row's loss and what its gradient needs: the shift, and 1 over the sum of powers relative to it. The two stay
// apart because their logarithms' sum would lose the small digits of large logits. A target that is no class makes the
// loss and the row's gradient NaN.
extern "C" __global__ void __launch_bounds__(THREADS_PER_ROW) cross_entropy_rows(
    const TYPE* logits, int64 stride, int64 classes, const int* targets, int ignored, float* rows, float* statistics)
{
    after_earlier_launches();
    __shared__ float scratch[2][WARPS];
    int64 n = blockIdx.x;
    int target = targets[n];
    if (target == ignored)
    {
        if (threadIdx.x == 0)
        {
            rows[n] = 0.f;
        }

        return;
    }

    const TYPE* row = logits + n * stride;
    Body body(row, classes);
    SoftmaxSum softmax;
    body.for_each(row, classes, [&](const auto& elements, int64) { softmax.add(elements); });
    float shift = block_maximum<THREADS_PER_ROW>(softmax.shift, scratch[0]);
    float sum = block_sum<THREADS_PER_ROW>(softmax.sum * exp2_fast(softmax.shift - shift), scratch[1]);
    if (threadIdx.x == 0)
    {
        bool known = target >= 0 && target < classes;
        float nan = float_of_bits(0x7fc00000u);
        double log_of_sum = ((double)log2_fast(sum) + shift) * LOG_OF_2;
        rows[n] = known ? (float)(log_of_sum - to_float(row[target])) : nan;
        if (statistics != nullptr)
        {
            statistics[2 * n] = shift;
            statistics[2 * n + 1] = known ? 1.f / sum : nan;
        }
    }
}

// dlogits = factor (softmax - onehot), with factor = *upstream * *inverse_count, and zero in ignored rows.
extern "C" __global__ void __launch_bounds__(THREADS_PER_ROW) cross_entropy_backward(
    const float* upstream,
    const float* inverse_count,
    const TYPE* logits,
    int64 stride,
    int64 classes,
    const int* targets,
    int ignored,
    const float* statistics,
    TYPE* gradient,
    int64 gradient_stride,
    int accumulate)
{
    after_earlier_launches();
    int64 n = blockIdx.x;
    int target = targets[n];
    const TYPE* row = logits + n * stride;
    TYPE* to = gradient + n * gradient_stride;
    Body body(row, classes);
    if (((uint64)row - (uint64)to) % 16 != 0)
    {
        body.chunks = 0;
    }

    if (target == ignored)
    {
        if (!accumulate)
        {
            body.for_each(row, classes, [&](const auto& elements, int64 first) {
                float zeros[decltype(size_of(elements))::value] = {};
                put_packet(to + first, zeros, false);
            });
        }

        return;
    }

    float factor = *upstream * *inverse_count;
    float shift = statistics[2 * n];
    float scale = factor * statistics[2 * n + 1];
    body.for_each(row, classes, [&](const auto& elements, int64 first) {
        constexpr int count = decltype(size_of(elements))::value;
        float values[count];
#pragma unroll
        for (int k = 0; k < count; k++)
        {
            values[k] = exp2_fast(fused_multiply_add(elements[k], LOG2E, -shift)) * scale;
        }

        int64 place = target - first;
        if (place >= 0 && place < count)
        {
#pragma unroll
            for (int k = 0; k < count; k++)
            {
                values[k] -= k == (int)place ? factor : 0.f;
            }
        }

        put_packet(to + first, values, accumulate != 0);
    });
}
