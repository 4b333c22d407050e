// target[c] = sum over p of partials[p, c], in a fixed order: the end of every gradient that blocks have summed apart.
//
// A block of 32 x 32 threads takes 32 columns: row i of its threads sums partials i, i + 32, ... of each column, and the
// 32 sums of a column then add up in order.
#include "prelude.cuh"

static constexpr int COLUMNS = 32;
static constexpr int LANES = 32;

extern "C" __global__ void __launch_bounds__(COLUMNS * LANES)
    partial_sums(const float* partials, TARGET* target, int64 parts, int64 columns, int accumulate)
{
    after_earlier_launches();
    __shared__ float sums[LANES][COLUMNS];
    int c = threadIdx.x % COLUMNS;
    int lane = threadIdx.x / COLUMNS;
    int64 column = (int64)blockIdx.x * COLUMNS + c;
    float sum = 0.f;
    if (column < columns)
    {
#pragma unroll 4
        for (int64 p = lane; p < parts; p += LANES)
        {
            sum += partials[p * columns + column];
        }
    }

    sums[lane][c] = sum;
    block_barrier();
    if (lane == 0 && column < columns)
    {
#pragma unroll
        for (int i = 1; i < LANES; i++)
        {
            sum += sums[i][c];
        }

        put(target + column, sum, accumulate != 0);
    }
}
