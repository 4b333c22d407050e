// The mean of the losses of rows that are not ignored, and 1 over their number. One block; sums are double and add up as
// a tree.
#include "prelude.cuh"

static constexpr int MEAN_THREADS = 1024;

// Of all threads' sums, for the first thread.
template <typename Number>
DEVICE Number sum_of_block(Number* sums, Number own)
{
    sums[threadIdx.x] = own;
    for (int half = MEAN_THREADS / 2; half > 0; half /= 2)
    {
        block_barrier();
        if (threadIdx.x < half)
        {
            sums[threadIdx.x] += sums[threadIdx.x + half];
        }
    }

    return sums[0];
}

extern "C" __global__ void __launch_bounds__(MEAN_THREADS) cross_entropy_mean(
    const float* rows, const int* targets, int64 count, int ignored, float* loss, float* inverse_count)
{
    after_earlier_launches();
    __shared__ double sums[MEAN_THREADS];
    __shared__ int64 counts[MEAN_THREADS];
    double sum = 0;
    int64 counted = 0;
    for (int64 n = threadIdx.x; n < count; n += MEAN_THREADS)
    {
        sum += rows[n];
        counted += targets[n] != ignored;
    }

    sum = sum_of_block(sums, sum);
    counted = sum_of_block(counts, counted);
    if (threadIdx.x == 0)
    {
        double divisor = (double)maximum<int64>(1, counted);
        *loss = (float)(sum / divisor);
        *inverse_count = (float)(1 / divisor);
    }
}

extern "C" __global__ void __launch_bounds__(MEAN_THREADS)
    cross_entropy_inverse_count(const int* targets, int64 count, int ignored, float* inverse_count)
{
    after_earlier_launches();
    __shared__ int64 counts[MEAN_THREADS];
    int64 counted = 0;
    for (int64 n = threadIdx.x; n < count; n += MEAN_THREADS)
    {
        counted += targets[n] != ignored;
    }

    counted = sum_of_block(counts, counted);
    if (threadIdx.x == 0)
    {
        *inverse_count = (float)(1 / (double)maximum<int64>(1, counted));
    }
}
