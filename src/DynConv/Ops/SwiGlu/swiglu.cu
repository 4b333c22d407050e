// y = silu(gate) up and its gradients, element by element. See element_walk.cuh for how the work is split.
#include "element_walk.cuh"

typedef Packet<TYPE, VECTOR> Chunk;

// 1 / (1 + e^-z) in four instructions: at some 10 an element the memory stays the slower part. The exponent's rounding
// grows with |z|, up to a relative error of 6e-6 at -80, where z sigmoid(z) is long below what a float beside it can hold.
DEVICE float sigmoid_fast(float z)
{
    constexpr float log2e = 1.4426950408889634f;
    return reciprocal_fast(1.f + exp2_fast(-log2e * z));
}

struct Forward
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk gate, up; };

    const TYPE* gate;
    const TYPE* up;
    TYPE* y;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {Chunk::load(gate + at[0]), Chunk::load(up + at[1])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            float z = in.gate[i];
            values[i] = z * sigmoid_fast(z) * in.up[i];
        }

        Chunk::of(values).store(y + at[2]);
    }
};

// Both gradients in one pass; one that nobody wants is null.
struct Backward
{
    static constexpr int TENSORS = 5;
    struct Input { Chunk dy, gate, up; };

    const TYPE* dy;
    const TYPE* gate;
    const TYPE* up;
    TYPE* dgate;
    TYPE* dup;
    bool add_gate, add_up;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {Chunk::load(dy + at[0]), Chunk::load(gate + at[1]), Chunk::load(up + at[2])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float gates[VECTOR], ups[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            float s = sigmoid_fast(in.gate[i]);
            float silu = in.gate[i] * s;

            // silu'(z) = s + silu(z) (1 - s) with s = sigmoid(z).
            gates[i] = in.dy[i] * in.up[i] * fused_multiply_add(silu, 1.f - s, s);
            ups[i] = in.dy[i] * silu;
        }

        if (dgate != nullptr)
        {
            put_packet(dgate + at[3], gates, add_gate);
        }

        if (dup != nullptr)
        {
            put_packet(dup + at[4], ups, add_up);
        }
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    swiglu_forward(const __grid_constant__ ElementWalk walk, const TYPE* gate, const TYPE* up, TYPE* y)
{
    after_earlier_launches();
    run_elements(walk, Forward{gate, up, y});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) swiglu_backward(
    const __grid_constant__ ElementWalk walk,
    const TYPE* dy,
    const TYPE* gate,
    const TYPE* up,
    TYPE* dgate,
    TYPE* dup,
    int add_gate,
    int add_up)
{
    after_earlier_launches();
    run_elements(walk, Backward{dy, gate, up, dgate, dup, add_gate != 0, add_up != 0});
}
