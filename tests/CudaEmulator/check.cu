// Kernels that show what the emulator computes and what it catches.
#include "prelude.cuh"

extern __shared__ Bits128 shared_memory[];

// y[block] = scale times the sum of a row of n numbers.
extern "C" __global__ void __launch_bounds__(BLOCK) row_sums(const float* x, float* y, int64 n, float scale)
{
    __shared__ float scratch[BLOCK / WARP];
    float sum = 0.f;
    for (int64 i = threadIdx.x; i < n; i += BLOCK)
    {
        sum += x[blockIdx.x * n + i];
    }

    sum = block_sum<BLOCK>(sum, scratch);
    if (threadIdx.x == 0)
    {
        y[blockIdx.x] = sum * scale;
    }
}

// c (16 x 8) = a (16 x k) b (k x 8), by one warp, through shared memory.
extern "C" __global__ void tile_product(const bf16* a, const bf16* b, float* c, int k)
{
    bf16* a_rows = reinterpret_cast<bf16*>(shared_memory);
    bf16* b_rows = a_rows + 16 * k;
    int lane = threadIdx.x;
    for (int i = lane; i < 2 * k; i += WARP)
    {
        copy_async16(a_rows + 8 * i, a + 8 * i);
    }

    for (int i = lane; i < k; i += WARP)
    {
        copy_async16(b_rows + 8 * i, b + 8 * i);
    }

    copy_async_commit();
    if (WAITS)
    {
        copy_async_wait<0>();
    }

    block_barrier();
    float d[4] = {};
    for (int p = 0; p < k; p += 16)
    {
        uint32 left[4], right[2];
        load_matrices(left, a_rows + (lane % 16) * k + p + 8 * (lane / 16));
        load_matrices_transposed(right, b_rows + (p + lane % 16) * 8);
        multiply_tiles(d, left, right[0], right[1], d);
    }

    for (int i = 0; i < 4; i++)
    {
        c[(lane / 4 + 8 * (i / 2)) * 8 + 2 * (lane % 4) + i % 2] = d[i];
    }
}

// An 8x8 matrix of 16-bit numbers, transposed by reading along columns.
extern "C" __global__ void transpose(uint32* matrix)
{
    __shared__ Bits128 rows[8];
    uint32* pairs = reinterpret_cast<uint32*>(rows);
    pairs[threadIdx.x] = matrix[threadIdx.x];
    warp_barrier();
    uint32 columns[2];
    load_matrices_transposed(columns, rows + threadIdx.x % 8);
    matrix[threadIdx.x] = columns[0];
}

extern "C" __global__ void barrier_that_one_leaves_out(float*)
{
    if (threadIdx.x != 5)
    {
        block_barrier();
    }
}

extern "C" __global__ void lanes_apart(float* x)
{
    if (threadIdx.x < 7)
    {
        warp_barrier();
    }
    else
    {
        x[0] = shuffle(1.f, 0);
    }
}

extern "C" __global__ void misaligned(float* x) { Packet<float, 4>::load(x + 1).store(x + 4); }

extern "C" __global__ void beyond_global(float* x) { x[1 << 20] = 1.f; }

extern "C" __global__ void beyond_shared(float*) { shared_memory[threadIdx.x] = Bits128{1, 2, 3, 4}; }

extern "C" __global__ void beyond_array(float* x)
{
    float few[4] = {x[0], x[1], x[2], x[3]};
    x[0] = few[threadIdx.x];
}

// Right only if a barrier stood between.
extern "C" __global__ void neighbour_without_barrier(float* y)
{
    __shared__ float written[64];
    written[threadIdx.x] = 1.f;
    y[threadIdx.x] = written[(threadIdx.x + 1) % 64] + written[(threadIdx.x + 63) % 64];
}
