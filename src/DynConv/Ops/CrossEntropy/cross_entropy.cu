// The loss of each row of logits, log(sum over v of e^logits[v]) - logits[target], their mean over the rows that count,
// and the gradient.
//
// A block of THREADS_PER_ROW threads takes one row. Rows may begin anywhere: elements before the first and after the
// last whole 16 bytes are taken one by one.
#include "elements.cuh"

static constexpr int VECTOR = 16 / sizeof(TYPE);
static constexpr int WARPS = THREADS_PER_ROW / WARP;

// Chunks that a thread fetches before it uses the first.
static constexpr int BATCH = 4;

static constexpr float LOG2E = 1.4426950408889634f;
static constexpr float LOWEST = -3.4028234663852886e38f;

typedef Elements<TYPE, VECTOR> Chunk;

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
            use(Elements<TYPE, 1>::load(row + outside(i)), outside(i));
        }
    }
};

// A sum of exponentials relative to the largest logit so far.
struct SoftmaxSum
{
    float largest = LOWEST;
    float sum = 0.f;

    template <int Count>
    DEVICE void add(const Elements<TYPE, Count>& logits)
    {
        float top = logits[0];
#pragma unroll
        for (int k = 1; k < Count; k++)
        {
            top = maximum(top, logits[k]);
        }

        if (top > largest)
        {
            sum *= exp2_fast((largest - top) * LOG2E);
            largest = top;
        }

        // Differences first: the product of a large logit would have lost its small digits.
#pragma unroll
        for (int k = 0; k < Count; k++)
        {
            sum += exp2_fast((logits[k] - largest) * LOG2E);
        }
    }
};

// Writes the row's loss and what its gradient needs: the largest logit, and 1 over the sum of exponentials relative to
// it. The two stay apart because their logarithms' sum would lose the small digits of large logits. A target that is no
// class makes the loss and the row's gradient NaN.
extern "C" __global__ void __launch_bounds__(THREADS_PER_ROW) cross_entropy_rows(
    const TYPE* logits, int64 stride, int64 classes, const int* targets, int ignored, float* rows, float* statistics)
{
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
    float largest = block_maximum<THREADS_PER_ROW>(softmax.largest, scratch[0]);
    float share = softmax.sum * exp2_fast((softmax.largest - largest) * LOG2E);
    float sum = block_sum<THREADS_PER_ROW>(share, scratch[1]);
    if (threadIdx.x == 0)
    {
        bool known = target >= 0 && target < classes;
        float nan = float_of_bits(0x7fc00000u);
        rows[n] = known ? log_of(sum) + (largest - to_float(row[target])) : nan;
        if (statistics != nullptr)
        {
            statistics[2 * n] = largest;
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
    int64 n = blockIdx.x;
    int target = targets[n];
    if (target == ignored && accumulate)
    {
        return;
    }

    bool counts = target != ignored;
    float factor = counts ? *upstream * *inverse_count : 0.f;
    float largest = counts ? statistics[2 * n] : 0.f;
    float scale = counts ? factor * statistics[2 * n + 1] : 0.f;
    const TYPE* row = logits + n * stride;
    TYPE* to = gradient + n * gradient_stride;
    auto write = [&](const auto& elements, int64 first) {
        constexpr int count = sizeof(elements) / sizeof(TYPE);
        float values[count];
#pragma unroll
        for (int k = 0; k < count; k++)
        {
            float softmax = counts ? exp2_fast((elements[k] - largest) * LOG2E) * scale : 0.f;
            values[k] = first + k == target ? softmax - factor : softmax;
        }

        put_elements(to + first, values, accumulate != 0);
    };
    Body body(row, classes);
    if (((uint64)row - (uint64)to) % 16 != 0)
    {
        body.chunks = 0;
    }

    body.for_each(row, classes, write);
}

static constexpr int MEAN_THREADS = 1024;

// The mean over the rows that are not ignored, and 1 over their number. One block; sums are double.
extern "C" __global__ void __launch_bounds__(MEAN_THREADS) cross_entropy_mean(
    const float* rows, const int* targets, int64 count, int ignored, float* loss, float* inverse_count)
{
    __shared__ double sums[MEAN_THREADS];
    __shared__ int64 counts[MEAN_THREADS];
    double sum = 0;
    int64 counted = 0;
    for (int64 n = threadIdx.x; n < count; n += MEAN_THREADS)
    {
        sum += rows[n];
        counted += targets[n] != ignored;
    }

    sums[threadIdx.x] = sum;
    counts[threadIdx.x] = counted;
    for (int half = MEAN_THREADS / 2; half > 0; half /= 2)
    {
        block_barrier();
        if (threadIdx.x < half)
        {
            sums[threadIdx.x] += sums[threadIdx.x + half];
            counts[threadIdx.x] += counts[threadIdx.x + half];
        }
    }

    if (threadIdx.x == 0)
    {
        double divisor = (double)maximum<int64>(1, counts[0]);
        *loss = (float)(sums[0] / divisor);
        *inverse_count = (float)(1 / divisor);
    }
}
