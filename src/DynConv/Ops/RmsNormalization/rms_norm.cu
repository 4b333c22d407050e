// y = x r w with r = 1 / sqrt(mean of x^2 + epsilon) for each row of x, and the gradients.
//
// GROUP threads (a power of two from 8 to 512) share a row and keep CHUNKS chunks of VECTOR elements of it each in
// registers; what is left of a longer row is read again from the caches. A block has GROUPS groups.
#include "row_strides.cuh"

static constexpr int BLOCK = GROUP > 256 ? GROUP : 256;
static constexpr int GROUPS = BLOCK / GROUP;
static constexpr int WARPS = BLOCK / WARP;

typedef Packet<TYPE, VECTOR> Chunk;
typedef Packet<WEIGHT, VECTOR> Weights;

// The sum of a value over the threads of the group; all threads of the block take part. Where a group has several warps
// they meet in `scratch`; calls with another half of it may follow one another without a barrier.
DEVICE float group_sum(float value, float (&scratch)[WARPS])
{
#pragma unroll
    for (int mask = minimum(GROUP, WARP) / 2; mask > 0; mask /= 2)
    {
        value += shuffle_xor(value, mask);
    }

    if (GROUP <= WARP)
    {
        return value;
    }

    constexpr int warps = GROUP <= WARP ? 1 : GROUP / WARP;
    int group = threadIdx.x / GROUP;
    if (threadIdx.x % WARP == 0)
    {
        scratch[threadIdx.x / WARP] = value;
    }

    block_barrier(1 + group, GROUP);
    float sum = 0.f;
#pragma unroll
    for (int w = 0; w < warps; w++)
    {
        sum += scratch[group * warps + w];
    }

    return sum;
}

extern "C" __global__ void __launch_bounds__(BLOCK) rms_norm_forward(
    const __grid_constant__ RowStrides layout,
    int64 rows,
    int64 columns,
    const TYPE* x,
    const WEIGHT* weight,
    float epsilon,
    TYPE* y,
    float* inverse_rms)
{
    after_earlier_launches();
    __shared__ float scratch[WARPS];
    int lane = threadIdx.x % GROUP;
    int64 row = (int64)blockIdx.x * GROUPS + threadIdx.x / GROUP;
    int64 chunks = row < rows ? columns / VECTOR : 0;
    int64 at[2] = {};
    if (row < rows)
    {
        layout.find(row, at);
    }

    Chunk kept[CHUNKS];
    float square = 0.f;
    auto add_squares = [&](const Chunk& chunk) {
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            square = fused_multiply_add(chunk[k], chunk[k], square);
        }
    };
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
    {
        int64 i = lane + c * GROUP;
        if (i < chunks)
        {
            kept[c] = Chunk::load(x + at[0] + i * VECTOR);
        }
    }

#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
    {
        if (lane + c * GROUP < chunks)
        {
            add_squares(kept[c]);
        }
    }

    for (int64 i = lane + CHUNKS * GROUP; i < chunks; i += GROUP)
    {
        add_squares(Chunk::load(x + at[0] + i * VECTOR));
    }

    float inverse = 1.f / square_root(group_sum(square, scratch) / (float)columns + epsilon);
    if (lane == 0 && row < rows)
    {
        inverse_rms[row] = inverse;
    }

    auto write = [&](const Chunk& chunk, int64 i) {
        auto w = Weights::load(weight + i * VECTOR);
        float values[VECTOR];
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            values[k] = chunk[k] * inverse * w[k];
        }

        Chunk::of(values).store(y + at[1] + i * VECTOR);
    };
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
    {
        int64 i = lane + c * GROUP;
        if (i < chunks)
        {
            write(kept[c], i);
        }
    }

    for (int64 i = lane + CHUNKS * GROUP; i < chunks; i += GROUP)
    {
        write(Chunk::load(x + at[0] + i * VECTOR), i);
    }
}

// dx = r w dy - x r^3 / D (sum of x w dy); the weight's gradient is the sum over the rows of dy x r. The rows go round
// all groups of the launch; each block leaves its sum for the weight in a row of `partials`. `dx` may be null, and so
// may `partials`, which takes the columns that registers hold and no more.
extern "C" __global__ void __launch_bounds__(BLOCK) rms_norm_backward(
    const __grid_constant__ RowStrides layout,
    int64 rows,
    int64 columns,
    const TYPE* dy,
    const TYPE* x,
    const WEIGHT* weight,
    const float* inverse_rms,
    TYPE* dx,
    int accumulate,
    float* partials,
    int64 partial_stride)
{
    after_earlier_launches();
    __shared__ float scratch[2][WARPS];
    int lane = threadIdx.x % GROUP;
    int group = threadIdx.x / GROUP;
    float sums[CHUNKS][VECTOR] = {};
    int turn = 0;
    for (int64 base = (int64)blockIdx.x * GROUPS; base < rows; base += (int64)gridDim.x * GROUPS, turn ^= 1)
    {
        int64 row = base + group;
        int64 chunks = row < rows ? columns / VECTOR : 0;
        int64 at[3] = {};
        float inverse = 0.f;
        if (row < rows)
        {
            layout.find(row, at);
            inverse = inverse_rms[row];
        }

        Chunk kept_dy[CHUNKS], kept_x[CHUNKS];
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
        {
            int64 i = lane + c * GROUP;
            if (i < chunks)
            {
                kept_dy[c] = Chunk::load(dy + at[0] + i * VECTOR);
                kept_x[c] = Chunk::load(x + at[1] + i * VECTOR);
            }
        }

        float dot = 0.f;
        auto add_products = [&](const Chunk& dys, const Chunk& xs, int64 i) {
            auto w = Weights::load(weight + i * VECTOR);
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                dot = fused_multiply_add(dys[k] * w[k], xs[k], dot);
            }
        };
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
        {
            int64 i = lane + c * GROUP;
            if (i < chunks)
            {
                add_products(kept_dy[c], kept_x[c], i);
#pragma unroll
                for (int k = 0; k < VECTOR; k++)
                {
                    sums[c][k] = fused_multiply_add(kept_dy[c][k], kept_x[c][k] * inverse, sums[c][k]);
                }
            }
        }

        if (dx == nullptr)
        {
            continue;
        }

        for (int64 i = lane + CHUNKS * GROUP; i < chunks; i += GROUP)
        {
            add_products(Chunk::load(dy + at[0] + i * VECTOR), Chunk::load(x + at[1] + i * VECTOR), i);
        }

        // In this order no factor leaves float's range before the others bring it back.
        float share = -(group_sum(dot, scratch[turn]) * inverse / (float)columns) * inverse * inverse;
        auto write = [&](const Chunk& dys, const Chunk& xs, int64 i) {
            auto w = Weights::load(weight + i * VECTOR);
            float values[VECTOR];
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                values[k] = fused_multiply_add(xs[k], share, dys[k] * w[k] * inverse);
            }

            put_packet(dx + at[2] + i * VECTOR, values, accumulate != 0);
        };
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
        {
            int64 i = lane + c * GROUP;
            if (i < chunks)
            {
                write(kept_dy[c], kept_x[c], i);
            }
        }

        for (int64 i = lane + CHUNKS * GROUP; i < chunks; i += GROUP)
        {
            write(Chunk::load(dy + at[0] + i * VECTOR), Chunk::load(x + at[1] + i * VECTOR), i);
        }
    }

    if (partials == nullptr)
    {
        return;
    }

    // Column k of chunk c lies at (lane + c * GROUP) * VECTOR + k. The block's groups add up column by column.
    float* partial = partials + blockIdx.x * partial_stride;
    constexpr int held = CHUNKS * GROUP * VECTOR;
    __shared__ float shares[GROUPS > 1 ? BLOCK * CHUNKS * VECTOR : 1];
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
    {
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            int column = (lane + c * GROUP) * VECTOR + k;
            if (GROUPS > 1)
            {
                shares[group * held + column] = sums[c][k];
            }
            else if (column < columns)
            {
                partial[column] = sums[c][k];
            }
        }
    }

    if (GROUPS == 1)
    {
        return;
    }

    block_barrier();
    for (int column = threadIdx.x; column < minimum<int64>(held, columns); column += BLOCK)
    {
        float sum = 0.f;
#pragma unroll
        for (int g = 0; g < GROUPS; g++)
        {
            sum += shares[g * held + column];
        }

        partial[column] = sum;
    }
}
