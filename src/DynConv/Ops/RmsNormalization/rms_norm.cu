// y = x r w with r = 1 / sqrt(mean of x^2 + epsilon) for each row of x, and the gradients. With ADDS the row is the sum of x
// and of another tensor, rounded as it is written.
//
// GROUP threads (a power of two from 8 to 512) share a row and keep CHUNKS chunks of VECTOR elements of it each in
// registers. Longer rows are those of the largest groups alone; what is left of them is read again from the caches. A block
// has GROUPS groups.
#include "row_strides.cuh"

static constexpr int BLOCK = GROUP > 256 ? GROUP : 256;
static constexpr int GROUPS = BLOCK / GROUP;
static constexpr int WARPS = BLOCK / WARP;
static constexpr bool MAY_BE_LONGER = GROUP == 512;

// Blocks of the gradient's on a multiprocessor, which its registers allow.
static constexpr int RESIDENT = BLOCK == 256 ? CHUNKS <= 2 ? 3 : 2 : 1;

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
    const TYPE* added,
    const WEIGHT* weight,
    float epsilon,
    TYPE* y,
    TYPE* sum,
    float* inverse_rms)
{
    after_earlier_launches();
    __shared__ float scratch[WARPS];
    int lane = threadIdx.x % GROUP;
    int64 row = (int64)blockIdx.x * GROUPS + threadIdx.x / GROUP;
    int64 chunks = row < rows ? columns / VECTOR : 0;
    int64 at[ADDS ? 4 : 2] = {}; // x, y, added, sum
    if (row < rows)
    {
        layout.find(row, at);
    }

    struct Summands { Chunk x, added; };
    auto load = [&](int64 i) {
        Summands read;
        read.x = Chunk::load(x + at[0] + i * VECTOR);
        if constexpr (ADDS)
        {
            read.added = Chunk::load(added + at[2] + i * VECTOR);
        }

        return read;
    };
    float square = 0.f;
    auto row_of = [&](const Summands& read, int64 i) {
        Chunk row = read.x;
        if constexpr (ADDS)
        {
            float values[VECTOR];
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                values[k] = read.x[k] + read.added[k];
            }

            row = Chunk::of(values);
            row.store(sum + at[3] + i * VECTOR);
        }

#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            square = fused_multiply_add(row[k], row[k], square);
        }

        return row;
    };
    Summands read[CHUNKS];
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
    {
        int64 i = lane + c * GROUP;
        if (i < chunks)
        {
            read[c] = load(i);
        }
    }

    Chunk kept[CHUNKS];
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
    {
        int64 i = lane + c * GROUP;
        if (i < chunks)
        {
            kept[c] = row_of(read[c], i);
        }
    }

    for (int64 i = lane + CHUNKS * GROUP; MAY_BE_LONGER && i < chunks; i += GROUP)
    {
        row_of(load(i), i);
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

    for (int64 i = lane + CHUNKS * GROUP; MAY_BE_LONGER && i < chunks; i += GROUP)
    {
        if constexpr (ADDS)
        {
            write(Chunk::load(sum + at[3] + i * VECTOR), i);
        }
        else
        {
            write(Chunk::load(x + at[0] + i * VECTOR), i);
        }
    }
}

// dx = base + r w dy - x r^3 / D (sum of x w dy); the weight's gradient is the sum over the rows of dy x r. The rows go round
// all groups of the launch; each block leaves its sum for the weight in a row of `partials`. `base`, the gradient of x from
// elsewhere, may be null for none, or lie where dx does; `dx` may be null, and so may `partials`, which takes the columns that
// registers hold and no more.
extern "C" __global__ void __launch_bounds__(BLOCK, RESIDENT) rms_norm_backward(
    const __grid_constant__ RowStrides layout,
    int64 rows,
    int64 columns,
    const TYPE* dy,
    const TYPE* x,
    const WEIGHT* weight,
    const float* inverse_rms,
    const TYPE* base,
    TYPE* dx,
    float* partials,
    int64 partial_stride)
{
    after_earlier_launches();
    __shared__ float scratch[2][WARPS];
    int lane = threadIdx.x % GROUP;
    int group = threadIdx.x / GROUP;
    float sums[CHUNKS][VECTOR] = {};
    int turn = 0;
    for (int64 first = (int64)blockIdx.x * GROUPS; first < rows; first += (int64)gridDim.x * GROUPS, turn ^= 1)
    {
        int64 row = first + group;
        int64 chunks = row < rows ? columns / VECTOR : 0;
        int64 at[4] = {}; // dy, x, dx, base
        float inverse = 0.f;
        if (row < rows)
        {
            layout.find(row, at);
            inverse = inverse_rms[row];
        }

        Chunk kept_dy[CHUNKS], kept_x[CHUNKS], kept_base[CHUNKS];
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
        {
            int64 i = lane + c * GROUP;
            if (i < chunks)
            {
                kept_dy[c] = Chunk::load(dy + at[0] + i * VECTOR);
                kept_x[c] = Chunk::load(x + at[1] + i * VECTOR);
                if (base != nullptr)
                {
                    kept_base[c] = Chunk::load(base + at[3] + i * VECTOR);
                }
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

        for (int64 i = lane + CHUNKS * GROUP; MAY_BE_LONGER && i < chunks; i += GROUP)
        {
            add_products(Chunk::load(dy + at[0] + i * VECTOR), Chunk::load(x + at[1] + i * VECTOR), i);
        }

        // In this order no factor leaves float's range before the others bring it back.
        float share = -(group_sum(dot, scratch[turn]) * inverse / (float)columns) * inverse * inverse;
        auto write = [&](const Chunk& dys, const Chunk& xs, const Chunk& bases, int64 i) {
            auto w = Weights::load(weight + i * VECTOR);
            float values[VECTOR];
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                values[k] = fused_multiply_add(xs[k], share, dys[k] * w[k] * inverse);
                values[k] = base == nullptr ? values[k] : values[k] + bases[k];
            }

            Chunk::of(values).store(dx + at[2] + i * VECTOR);
        };
#pragma unroll
        for (int c = 0; c < CHUNKS; c++)
        {
            int64 i = lane + c * GROUP;
            if (i < chunks)
            {
                write(kept_dy[c], kept_x[c], kept_base[c], i);
            }
        }

        for (int64 i = lane + CHUNKS * GROUP; MAY_BE_LONGER && i < chunks; i += GROUP)
        {
            write(
                Chunk::load(dy + at[0] + i * VECTOR),
                Chunk::load(x + at[1] + i * VECTOR),
                base == nullptr ? Chunk() : Chunk::load(base + at[3] + i * VECTOR),
                i);
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
