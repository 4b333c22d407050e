// The loss of each row of logits, log(sum over v of e^logits[v]) - logits[target], and the gradient of their mean.
//
// A block of THREADS_PER_ROW threads takes one row. Rows may begin anywhere: elements before the first and after the
// last whole 16 bytes are taken one by one.
// Macros: TYPE, THREADS_PER_ROW, IN_SHARED_MEMORY (whether a row fits there).
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
        for_each(row, row + head, classes, use);
    }

    // The same with the whole 16 bytes read from elsewhere.
    template <class Use>
    DEVICE void for_each(const TYPE* row, const TYPE* wholes, int64 classes, const Use& use) const
    {
        for (int64 c = threadIdx.x; c < chunks; c += BATCH * THREADS_PER_ROW)
        {
            Chunk kept[BATCH];
#pragma unroll
            for (int b = 0; b < BATCH; b++)
            {
                if (c + b * THREADS_PER_ROW < chunks)
                {
                    kept[b] = Chunk::load(wholes + (c + b * THREADS_PER_ROW) * VECTOR);
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

// The sum over a whole row, for all of its threads; its whole 16 bytes are also written to `copy`, if there is one.
DEVICE SoftmaxSum softmax_sum(const Body& body, const TYPE* row, int64 classes, TYPE* copy = nullptr)
{
    __shared__ float scratch[2][WARPS];
    SoftmaxSum own;
    body.for_each(row, classes, [&](const auto& elements, int64 first) {
        own.add(elements);
        if constexpr (decltype(size_of(elements))::value == VECTOR)
        {
            if (copy != nullptr)
            {
                elements.store(copy + (first - body.head));
            }
        }
    });
    SoftmaxSum all;
    all.shift = block_maximum<THREADS_PER_ROW>(own.shift, scratch[0]);
    all.sum = block_sum<THREADS_PER_ROW>(own.sum * exp2_fast(own.shift - all.shift), scratch[1]);
    return all;
}

DEVICE float not_a_number() { return float_of_bits(0x7fc00000u); }

DEVICE float loss_of(const SoftmaxSum& softmax, float wanted)
{
    double log_of_sum = ((double)log2_fast(softmax.sum) + softmax.shift) * LOG_OF_2;
    return (float)(log_of_sum - wanted);
}

// Values become scale * power - (onehot ? factor : 0) for the elements from `first` on.
template <int Count>
DEVICE void gradient_of(
    float (&values)[Count], const Packet<TYPE, Count>& logits, float shift, float scale, float factor, int64 place)
{
#pragma unroll
    for (int k = 0; k < Count; k++)
    {
        values[k] = exp2_fast(fused_multiply_add(logits[k], LOG2E, -shift)) * scale;
    }

    if (place >= 0 && place < Count)
    {
#pragma unroll
        for (int k = 0; k < Count; k++)
        {
            values[k] -= k == (int)place ? factor : 0.f;
        }
    }
}

// Writes the row's loss and what its gradient needs: the shift, and 1 over the sum of powers relative to it. The two stay
// apart because their logarithms' sum would lose the small digits of large logits. A target that is no class makes the
// loss and the row's gradient NaN.
extern "C" __global__ void __launch_bounds__(THREADS_PER_ROW) cross_entropy_rows(
    const TYPE* logits, int64 stride, int64 classes, const int* targets, int ignored, float* rows, float* statistics)
{
    after_earlier_launches();
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
    SoftmaxSum softmax = softmax_sum(body, row, classes);
    if (threadIdx.x == 0)
    {
        bool known = target >= 0 && target < classes;
        rows[n] = known ? loss_of(softmax, to_float(row[target])) : not_a_number();
        if (statistics != nullptr)
        {
            statistics[2 * n] = softmax.shift;
            statistics[2 * n + 1] = known ? 1.f / softmax.sum : not_a_number();
        }
    }
}

extern __shared__ Bits128 shared_memory[];

// Writes the row's loss and, in place of its logits, the gradient of the mean: inverse_count (softmax - onehot), and zero in
// ignored rows. A target that is no class makes both NaN. The second pass over a row finds it in shared memory, if it fits there.
extern "C" __global__ void __launch_bounds__(THREADS_PER_ROW) cross_entropy_rows_and_gradient(
    TYPE* logits, int64 stride, int64 classes, const int* targets, int ignored, const float* inverse_count, float* rows)
{
    after_earlier_launches();
    int64 n = blockIdx.x;
    int target = targets[n];
    TYPE* row = logits + n * stride;
    Body body(row, classes);
    if (target == ignored)
    {
        body.for_each(row, classes, [&](const auto& elements, int64 first) {
            float zeros[decltype(size_of(elements))::value] = {};
            put_packet(row + first, zeros, false);
        });
        if (threadIdx.x == 0)
        {
            rows[n] = 0.f;
        }

        return;
    }

    // Before the barriers of the sum, behind which the row is overwritten.
    bool known = target >= 0 && target < classes;
    float wanted = known && threadIdx.x == 0 ? to_float(row[target]) : 0.f;
    TYPE* copy = IN_SHARED_MEMORY ? reinterpret_cast<TYPE*>(shared_memory) : nullptr;
    SoftmaxSum softmax = softmax_sum(body, row, classes, copy);
    if (threadIdx.x == 0)
    {
        rows[n] = known ? loss_of(softmax, wanted) : not_a_number();
    }

    float factor = *inverse_count;
    float scale = known ? factor / softmax.sum : not_a_number();
    body.for_each(row, IN_SHARED_MEMORY ? copy : row + body.head, classes, [&](const auto& elements, int64 first) {
        float values[decltype(size_of(elements))::value];
        gradient_of(values, elements, softmax.shift, scale, factor, target - first);
        put_packet(row + first, values, false);
    });
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
        float values[decltype(size_of(elements))::value];
        gradient_of(values, elements, shift, scale, factor, target - first);
        put_packet(to + first, values, accumulate != 0);
    });
}
