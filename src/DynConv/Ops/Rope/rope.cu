// Rotary position embedding: turns elements i and i + K/2 of each head by the angle of its position, backwards by its
// opposite. A thread turns VECTOR pairs; threads follow one another along the half head, the heads, the tokens, the
// sequences.
#include "heads.cuh"

static constexpr int ROPE_THREADS = 256;

typedef Packet<TYPE, VECTOR> Chunk;
typedef Packet<float, VECTOR> Angles;

// Heads of 2 * half channels.
struct RopeHeads
{
    HeadRows<const TYPE> x;
    HeadRows<TYPE> y;
    int64 heads;
    int64 accumulate;
};

struct RopeShape
{
    int64 sequences, tokens, half;
    int64 first_blocks;
};

// Turns one tensor or two: the first blocks take the first one. `angles`: for each position the cosines of its angles, then the
// sines. `positions`: that of each token, or null where the tokens of each sequence stand at 0, 1, ... `direction` is 1, or -1
// for the gradient.
extern "C" __global__ void __launch_bounds__(ROPE_THREADS) rope_rotate(
    const __grid_constant__ RopeShape shape,
    const __grid_constant__ RopeHeads first_heads,
    const __grid_constant__ RopeHeads second_heads,
    const float* angles,
    const int* positions,
    float direction)
{
    after_earlier_launches();
    bool is_first = blockIdx.x < shape.first_blocks;
    RopeHeads of = is_first ? first_heads : second_heads;
    uint64 item = (uint64)(blockIdx.x - (is_first ? 0 : shape.first_blocks)) * ROPE_THREADS + threadIdx.x;
    uint64 row = quotient(item, shape.half / VECTOR);
    int64 i = (int64)(item - row * (shape.half / VECTOR)) * VECTOR;
    if (row >= (uint64)(shape.sequences * shape.tokens * of.heads))
    {
        return;
    }

    HeadPlace at = HeadPlace::of(row, of.heads, shape.tokens, positions);
    const TYPE* from = at.in(of.x) + i;
    TYPE* to = at.in(of.y) + i;
    auto first = Chunk::load(from);
    auto second = Chunk::load(from + shape.half);
    auto cosines = Angles::load(angles + at.position * 2 * shape.half + i);
    auto sines = Angles::load(angles + (at.position * 2 + 1) * shape.half + i);
    float turned_first[VECTOR], turned_second[VECTOR];
#pragma unroll
    for (int k = 0; k < VECTOR; k++)
    {
        float sine = sines[k] * direction;
        turned_first[k] = fused_multiply_add(first[k], cosines[k], -(second[k] * sine));
        turned_second[k] = fused_multiply_add(second[k], cosines[k], first[k] * sine);
    }

    put_packet(to, turned_first, of.accumulate != 0);
    put_packet(to + shape.half, turned_second, of.accumulate != 0);
}
