// RMSNorm of each head of queries and keys and their rotary position embedding in one pass, and the gradients. A launch takes one
// tensor or two, the first blocks the first one.
//
// GROUP lanes (a power of two up to 32) share a head and keep PAIRS chunks of VECTOR elements each of its first half, and the
// chunks of the second half that turn with them. Macros: TYPE, WEIGHT (element types), VECTOR, GROUP, PAIRS.
#include "heads.cuh"

static constexpr int BLOCK = 256;
static constexpr int GROUPS = BLOCK / GROUP;

typedef Packet<TYPE, VECTOR> Chunk;
typedef Packet<float, VECTOR> Floats;
typedef Packet<WEIGHT, VECTOR> Weights;

// Heads of 2 * half channels. Forward, `to` takes what x becomes.
// Backward, `dy` is the gradient of that, and `to`, which may be null, takes the gradient of x; `partials`, which may be null,
// takes a row of sums of each block for the weight.
struct NormedHeads
{
    HeadRows<const TYPE> x;
    HeadRows<const TYPE> dy;
    HeadRows<TYPE> to;
    const WEIGHT* weight;
    float* inverse_rms;
    int64 heads;
    float* partials;
    int64 blocks;
    int64 accumulate;
};

struct QkNormShape
{
    int64 sequences, tokens, half;
};

DEVICE float group_sum(float value)
{
#pragma unroll
    for (int mask = GROUP / 2; mask > 0; mask /= 2)
    {
        value += shuffle_xor(value, mask);
    }

    return value;
}

extern "C" __global__ void __launch_bounds__(BLOCK) qk_norm_forward(
    const __grid_constant__ QkNormShape shape,
    const __grid_constant__ NormedHeads first,
    const __grid_constant__ NormedHeads second,
    const float* angles,
    const int* positions,
    float epsilon)
{
    after_earlier_launches();
    bool is_first = blockIdx.x < first.blocks;
    NormedHeads of = is_first ? first : second;
    int lane = threadIdx.x % GROUP;
    int64 rows = shape.sequences * shape.tokens * of.heads;
    int64 row = (int64)(blockIdx.x - (is_first ? 0 : first.blocks)) * GROUPS + threadIdx.x / GROUP;
    int64 half = row < rows ? shape.half : 0;
    HeadPlace at = row < rows ? HeadPlace::of(row, of.heads, shape.tokens, positions) : HeadPlace{};
    const TYPE* x = at.in(of.x);
    Chunk lower[PAIRS], upper[PAIRS];
    float square = 0.f;
#pragma unroll
    for (int p = 0; p < PAIRS; p++)
    {
        int64 i = (lane + p * GROUP) * VECTOR;
        if (i < half)
        {
            lower[p] = Chunk::load(x + i);
            upper[p] = Chunk::load(x + half + i);
        }
    }

#pragma unroll
    for (int p = 0; p < PAIRS; p++)
    {
        if ((lane + p * GROUP) * VECTOR < half)
        {
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                square = fused_multiply_add(lower[p][k], lower[p][k], square);
                square = fused_multiply_add(upper[p][k], upper[p][k], square);
            }
        }
    }

    float inverse = 1.f / square_root(group_sum(square) / (float)(2 * shape.half) + epsilon);
    if (lane == 0 && row < rows)
    {
        of.inverse_rms[row] = inverse;
    }

    TYPE* to = at.in(of.to);
#pragma unroll
    for (int p = 0; p < PAIRS; p++)
    {
        int64 i = (lane + p * GROUP) * VECTOR;
        if (i < half)
        {
            auto lower_weight = Weights::load(of.weight + i);
            auto upper_weight = Weights::load(of.weight + half + i);
            auto cosines = Floats::load(angles + at.position * 2 * half + i);
            auto sines = Floats::load(angles + (at.position * 2 + 1) * half + i);
            float values[2][VECTOR];
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                values[0][k] = lower[p][k] * inverse * lower_weight[k];
                values[1][k] = upper[p][k] * inverse * upper_weight[k];
            }

            // What a norm by itself would have written.
            Chunk a = Chunk::of(values[0]), b = Chunk::of(values[1]);
            float turned_lower[VECTOR], turned_upper[VECTOR];
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                turned_lower[k] = fused_multiply_add(a[k], cosines[k], -(b[k] * sines[k]));
                turned_upper[k] = fused_multiply_add(b[k], cosines[k], a[k] * sines[k]);
            }

            // Nothing is accumulated forward; in the machine code of NVRTC 12.4 a store without the question is four.
            put_packet(to + i, turned_lower, of.accumulate != 0);
            put_packet(to + half + i, turned_upper, of.accumulate != 0);
        }
    }
}

// With d the gradient turned back: dx = r w d - x r^3 / K (sum of x w d); the weight's is the sum over the heads of d x r. The
// heads go round all groups of the blocks of a tensor.
extern "C" __global__ void __launch_bounds__(BLOCK) qk_norm_backward(
    const __grid_constant__ QkNormShape shape,
    const __grid_constant__ NormedHeads first,
    const __grid_constant__ NormedHeads second,
    const float* angles,
    const int* positions)
{
    after_earlier_launches();
    bool is_first = blockIdx.x < first.blocks;
    NormedHeads of = is_first ? first : second;
    int64 block = blockIdx.x - (is_first ? 0 : first.blocks);
    int lane = threadIdx.x % GROUP;
    int group = threadIdx.x / GROUP;
    int64 rows = shape.sequences * shape.tokens * of.heads;
    float sums[PAIRS][2][VECTOR] = {};
    for (int64 start = block * GROUPS; start < rows; start += of.blocks * GROUPS)
    {
        int64 row = start + group;
        int64 half = row < rows ? shape.half : 0;
        HeadPlace at = row < rows ? HeadPlace::of(row, of.heads, shape.tokens, positions) : HeadPlace{};
        float inverse = row < rows ? of.inverse_rms[row] : 0.f;
        const TYPE* x = at.in(of.x);
        const TYPE* dy = at.in(of.dy);
        Chunk xs[PAIRS][2], dys[PAIRS][2];
#pragma unroll
        for (int p = 0; p < PAIRS; p++)
        {
            int64 i = (lane + p * GROUP) * VECTOR;
            if (i < half)
            {
                xs[p][0] = Chunk::load(x + i);
                xs[p][1] = Chunk::load(x + half + i);
                dys[p][0] = Chunk::load(dy + i);
                dys[p][1] = Chunk::load(dy + half + i);
            }
        }

        float back[PAIRS][2][VECTOR]; // r w d without its r
        float dot = 0.f;
#pragma unroll
        for (int p = 0; p < PAIRS; p++)
        {
            int64 i = (lane + p * GROUP) * VECTOR;
            if (i < half)
            {
                auto cosines = Floats::load(angles + at.position * 2 * half + i);
                auto sines = Floats::load(angles + (at.position * 2 + 1) * half + i);
                Weights weights[2] = {Weights::load(of.weight + i), Weights::load(of.weight + half + i)};
#pragma unroll
                for (int k = 0; k < VECTOR; k++)
                {
                    back[p][0][k] = fused_multiply_add(dys[p][0][k], cosines[k], dys[p][1][k] * sines[k]);
                    back[p][1][k] = fused_multiply_add(dys[p][1][k], cosines[k], -(dys[p][0][k] * sines[k]));
#pragma unroll
                    for (int h = 0; h < 2; h++)
                    {
                        sums[p][h][k] = fused_multiply_add(back[p][h][k], xs[p][h][k] * inverse, sums[p][h][k]);
                        back[p][h][k] *= weights[h][k];
                        dot = fused_multiply_add(back[p][h][k], xs[p][h][k], dot);
                    }
                }
            }
        }

        // In this order no factor leaves float's range before the others bring it back.
        float share = -(group_sum(dot) * inverse / (float)(2 * shape.half)) * inverse * inverse;
        if (of.to.start == nullptr)
        {
            continue;
        }

        TYPE* to = at.in(of.to);
#pragma unroll
        for (int p = 0; p < PAIRS; p++)
        {
            int64 i = (lane + p * GROUP) * VECTOR;
            if (i < half)
            {
#pragma unroll
                for (int h = 0; h < 2; h++)
                {
                    float values[VECTOR];
#pragma unroll
                    for (int k = 0; k < VECTOR; k++)
                    {
                        values[k] = fused_multiply_add(xs[p][h][k], share, back[p][h][k] * inverse);
                    }

                    put_packet(to + h * half + i, values, of.accumulate != 0);
                }
            }
        }
    }

    if (of.partials == nullptr)
    {
        return;
    }

    // The block's groups add up column by column: column k of chunk (p, h) of a lane is (lane + p * GROUP) * VECTOR + k of half h.
    constexpr int held = PAIRS * GROUP * VECTOR;
    __shared__ float shares[GROUPS][2][held];
#pragma unroll
    for (int p = 0; p < PAIRS; p++)
    {
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
            {
                shares[group][h][(lane + p * GROUP) * VECTOR + k] = sums[p][h][k];
            }
        }
    }

    block_barrier();
    for (int64 column = threadIdx.x; column < 2 * shape.half; column += BLOCK)
    {
        int h = column < shape.half ? 0 : 1;
        float sum = 0.f;
        for (int g = 0; g < GROUPS; g++)
        {
            sum += shares[g][h][column - h * shape.half];
        }

        of.partials[block * 2 * shape.half + column] = sum;
    }
}
