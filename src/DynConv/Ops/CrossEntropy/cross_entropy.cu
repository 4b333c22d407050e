// The loss of each row of logits, log(sum over v of e^logits[v]) - logits[target], and the gradient of their mean.
//
// A block of THREADS_PER_ROW threads takes one row. Rows may begin anywhere: elements before the first and after the
// last whole 16 bytes are taken one by one.
// Macros: TYPE, THREADS_PER_ROW.
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

        for_each_outside(row, classes, use);
    }

    // The same for the elements outside.
    template <class Use>
    DEVICE void for_each_outside(const TYPE* row, int64 classes, const Use& use) const
    {
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

// The sum over a whole row, for all of its threads. `for_each(use)` calls `use` for the elements of each.
template <class ForEach>
DEVICE SoftmaxSum softmax_sum(const ForEach& for_each)
{
    __shared__ float scratch[2][WARPS];
    SoftmaxSum own;
    for_each([&](const auto& elements, int64) { own.add(elements); });
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

// A row's gradient in place of its logits: factor (softmax - onehot), zero where the row is ignored, NaN where its target is no class.
struct Gradient
{
    int target;
    bool ignored, known;
    float shift, scale, factor;

    DEVICE Gradient(int target, int64 classes, int ignored_target, const SoftmaxSum& softmax, float factor)
        : target(target), ignored(target == ignored_target), known(target >= 0 && target < classes), shift(softmax.shift),
          scale(known ? factor / softmax.sum : not_a_number()), factor(factor)
    {
    }

    // `wanted` is the target's logit.
    DEVICE float loss(const SoftmaxSum& softmax, float wanted) const
    {
        return ignored ? 0.f : known ? loss_of(softmax, wanted) : not_a_number();
    }

    template <int Count>
    DEVICE void write(const Packet<TYPE, Count>& logits, TYPE* row, int64 first) const
    {
        float values[Count] = {};
        if (!ignored)
        {
            gradient_of(values, logits, shift, scale, factor, target - first);
        }

        put_packet(row + first, values, false);
    }
};

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
    SoftmaxSum softmax = softmax_sum([&](const auto& use) { body.for_each(row, classes, use); });
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

// Writes the row's loss and, in place of its logits, the gradient of the mean: inverse_count (softmax - onehot), and zero in
// ignored rows. A target that is no class makes both NaN.
extern "C" __global__ void __launch_bounds__(THREADS_PER_ROW) cross_entropy_rows_and_gradient(
    TYPE* logits, int64 stride, int64 classes, const int* targets, int ignored, const float* inverse_count, float* rows)
{
    after_earlier_launches();
    int64 n = blockIdx.x;
    int target = targets[n];
    TYPE* row = logits + n * stride;
    Body body(row, classes);
    // Before the barriers of the sum, behind which the row is overwritten.
    bool known = target >= 0 && target < classes;
    float wanted = known && target != ignored && threadIdx.x == 0 ? to_float(row[target]) : 0.f;
    SoftmaxSum softmax;
    if (target != ignored)
    {
        softmax = softmax_sum([&](const auto& use) { body.for_each(row, classes, use); });
    }

    Gradient gradient(target, classes, ignored, softmax, *inverse_count);
    if (threadIdx.x == 0)
    {
        rows[n] = gradient.loss(softmax, wanted);
    }

    body.for_each(row, classes, [&](const auto& logits, int64 first) { gradient.write(logits, row, first); });
}

extern __shared__ Bits128 shared_memory[];

// The same for rows that fit in shared memory. Blocks go round the rows: each thread fetches the next row's chunks, in STAGES
// parts, into the places whose chunks it has just used for the last time, so that the reads of a row run beside the writes of the
// one before and no barrier is needed for them. With a row in each multiprocessor they come once from memory, not twice.
static constexpr int STAGES = 4;

struct Fetched
{
    TYPE* row;
    int target;
    Body body;

    DEVICE Fetched(TYPE* logits, int64 stride, int64 classes, const int* targets, int ignored, int64 n, int64 rows)
        : row(logits + n * stride), target(n < rows ? targets[n] : ignored), body(row, classes)
    {
    }

    // The thread's b-th chunk of a stage.
    DEVICE int64 chunk(int stage, int b) const { return (int64)(stage * BATCH + b) * THREADS_PER_ROW + threadIdx.x; }

    DEVICE void fetch(int stage, TYPE* wholes, int ignored) const
    {
#pragma unroll
        for (int b = 0; b < BATCH; b++)
        {
            int64 c = chunk(stage, b);
            if (target != ignored && c < body.chunks)
            {
                copy_async16(wholes + c * VECTOR, row + body.head + c * VECTOR);
            }
        }

        copy_async_commit();
    }

    // Calls `use(elements, first)` for a stage's chunks of this thread; with the first stage come the elements outside.
    template <class Use>
    DEVICE void for_each(int stage, const TYPE* wholes, int64 classes, const Use& use) const
    {
#pragma unroll
        for (int b = 0; b < BATCH; b++)
        {
            int64 c = chunk(stage, b);
            if (c < body.chunks)
            {
                use(Chunk::load(wholes + c * VECTOR), body.head + c * VECTOR);
            }
        }

        if (stage == 0)
        {
            body.for_each_outside(row, classes, use);
        }
    }
};

// The argument of the instruction is a constant, and so is `pending` where loops are unrolled.
DEVICE void wait_for_fetched(int pending)
{
    switch (pending)
    {
    case 0: copy_async_wait<0>(); break;
    case 1: copy_async_wait<1>(); break;
    case 2: copy_async_wait<2>(); break;
    default: copy_async_wait<STAGES - 1>(); break;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS_PER_ROW, 1024 / THREADS_PER_ROW) cross_entropy_fetched_rows_and_gradient(
    TYPE* logits,
    int64 stride,
    int64 classes,
    int64 count,
    const int* targets,
    int ignored,
    const float* inverse_count,
    float* rows)
{
    after_earlier_launches();
    TYPE* wholes = reinterpret_cast<TYPE*>(shared_memory);
    float factor = *inverse_count;
    Fetched now(logits, stride, classes, targets, ignored, blockIdx.x, count);
#pragma unroll
    for (int stage = 0; stage < STAGES; stage++)
    {
        now.fetch(stage, wholes, ignored);
    }

    for (int64 n = blockIdx.x; n < count; n += gridDim.x)
    {
        Fetched next(logits, stride, classes, targets, ignored, n + gridDim.x, count);
        bool known = now.target >= 0 && now.target < classes;
        float wanted = known && now.target != ignored && threadIdx.x == 0 ? to_float(now.row[now.target]) : 0.f;
        SoftmaxSum softmax;
        if (now.target != ignored)
        {
            softmax = softmax_sum([&](const auto& use) {
#pragma unroll
                for (int stage = 0; stage < STAGES; stage++)
                {
                    wait_for_fetched(STAGES - 1 - stage);
                    now.for_each(stage, wholes, classes, use);
                }
            });
        }

        Gradient gradient(now.target, classes, ignored, softmax, factor);
        if (threadIdx.x == 0)
        {
            rows[n] = gradient.loss(softmax, wanted);
        }

#pragma unroll
        for (int stage = 0; stage < STAGES; stage++)
        {
            now.for_each(stage, wholes, classes, [&](const auto& logits, int64 first) { gradient.write(logits, now.row, first); });
            next.fetch(stage, wholes, ignored);
        }

        now = next;
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
        float values[decltype(size_of(elements))::value];
        gradient_of(values, elements, shift, scale, factor, target - first);
        put_packet(to + first, values, accumulate != 0);
    });
}
