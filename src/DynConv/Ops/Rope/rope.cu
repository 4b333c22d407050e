// Rotary position embedding: turns elements i and i + K/2 of each head by the angle of its position, backwards by its
// opposite. A thread turns VECTOR pairs; threads follow one another along the half head, the heads, the tokens, the
// sequences.
#include "row_strides.cuh"

static constexpr int ROPE_THREADS = 256;

typedef Packet<TYPE, VECTOR> Chunk;
typedef Packet<float, VECTOR> Angles;

// [sequences, tokens, heads, 2 * half], and the distances of neighbours in x and y; the last ones are 1.
struct RopeShape
{
    int64 sequences, tokens, heads, half;
    int64 x_sequence, x_token, x_head;
    int64 y_sequence, y_token, y_head;
};

// `angles`: for each position the cosines of its angles, then the sines. `positions`: that of each token, or null where the
// tokens of each sequence stand at 0, 1, ... `direction` is 1, or -1 for the gradient.
extern "C" __global__ void __launch_bounds__(ROPE_THREADS) rope_rotate(
    const __grid_constant__ RopeShape shape,
    const TYPE* x,
    const float* angles,
    const int* positions,
    TYPE* y,
    float direction,
    int accumulate)
{
    after_earlier_launches();
    uint64 item = (uint64)blockIdx.x * ROPE_THREADS + threadIdx.x;
    uint64 row = quotient(item, shape.half / VECTOR);
    int64 i = (int64)(item - row * (shape.half / VECTOR)) * VECTOR;
    uint64 place = quotient(row, shape.heads);
    int64 head = (int64)(row - place * shape.heads);
    int64 sequence = (int64)quotient(place, shape.tokens);
    int64 token = (int64)place - sequence * shape.tokens;
    if (sequence >= shape.sequences)
    {
        return;
    }

    int64 position = positions == nullptr ? token : positions[place];
    const TYPE* from = x + sequence * shape.x_sequence + token * shape.x_token + head * shape.x_head + i;
    TYPE* to = y + sequence * shape.y_sequence + token * shape.y_token + head * shape.y_head + i;
    auto first = Chunk::load(from);
    auto second = Chunk::load(from + shape.half);
    auto cosines = Angles::load(angles + position * 2 * shape.half + i);
    auto sines = Angles::load(angles + (position * 2 + 1) * shape.half + i);
    float turned_first[VECTOR], turned_second[VECTOR];
#pragma unroll
    for (int k = 0; k < VECTOR; k++)
    {
        float sine = sines[k] * direction;
        turned_first[k] = fused_multiply_add(first[k], cosines[k], -(second[k] * sine));
        turned_second[k] = fused_multiply_add(second[k], cosines[k], first[k] * sine);
    }

    put_packet(to, turned_first, accumulate != 0);
    put_packet(to + shape.half, turned_second, accumulate != 0);
}
