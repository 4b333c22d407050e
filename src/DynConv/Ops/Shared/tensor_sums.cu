// The sum of all elements, or of their squares (SQUARES), of many tensors at once, the same each time.
//
// tensor_sums: a block sums BLOCK_ELEMENTS elements of one tensor. A thread adds at most 64 of them in float; from there
// on sums are double, and the 256 of a block add up as a tree. tensor_sums_total: one block adds the blocks' sums.
#include "row_strides.cuh"
#include "tensor_table.cuh"

static constexpr int SUM_THREADS = 256;
static constexpr int TOTAL_THREADS = 1024;
static constexpr int VECTOR = 16 / sizeof(TYPE);
static constexpr int BLOCK_ELEMENTS = SUM_THREADS * 64;

// Tensors whose elements lie one after the other; tensor i begins at block first_block[i].
struct TensorTable
{
    static constexpr int MOST = 128;

    int64 tensors;
    const TYPE* elements[MOST];
    int64 counts[MOST];
    int64 first_block[MOST];
};

DEVICE float term(float x) { return SQUARES ? x * x : x; }

template <int COUNT>
DEVICE double block_total(double value, double (&scratch)[COUNT])
{
    scratch[threadIdx.x] = value;
    for (int half = COUNT / 2; half > 0; half /= 2)
    {
        block_barrier();
        if (threadIdx.x < half)
        {
            scratch[threadIdx.x] += scratch[threadIdx.x + half];
        }
    }

    return scratch[0];
}

extern "C" __global__ void __launch_bounds__(SUM_THREADS)
    tensor_sums(const __grid_constant__ TensorTable table, double* sums)
{
    after_earlier_launches();
    __shared__ double scratch[SUM_THREADS];
    int tensor = find_tensor(table.first_block, table.tensors, blockIdx.x);
    int64 first = (blockIdx.x - table.first_block[tensor]) * BLOCK_ELEMENTS;
    const TYPE* x = table.elements[tensor] + first;
    int count = (int)minimum<int64>(BLOCK_ELEMENTS, table.counts[tensor] - first);
    int whole = (uint64)x % 16 == 0 ? count / VECTOR * VECTOR : 0;
    float sum = 0.f;
#pragma unroll
    for (int first_of_turn = 0; first_of_turn < BLOCK_ELEMENTS; first_of_turn += SUM_THREADS * VECTOR)
    {
        int i = first_of_turn + threadIdx.x * VECTOR;
        if (i < whole)
        {
            auto chunk = Packet<TYPE, VECTOR>::load(x + i);
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                sum += term(chunk[k]);
            }
        }
    }

    for (int i = whole + threadIdx.x; i < count; i += SUM_THREADS)
    {
        sum += term(to_float(x[i]));
    }

    double total = block_total(sum, scratch);
    if (threadIdx.x == 0)
    {
        sums[blockIdx.x] = total;
    }
}

extern "C" __global__ void __launch_bounds__(TOTAL_THREADS)
    tensor_sums_total(const double* sums, int64 count, float* result)
{
    after_earlier_launches();
    __shared__ double scratch[TOTAL_THREADS];
    double sum = 0;
    for (int64 i = threadIdx.x; i < count; i += TOTAL_THREADS)
    {
        sum += sums[i];
    }

    double total = block_total(sum, scratch);
    if (threadIdx.x == 0)
    {
        *result = (float)total;
    }
}
