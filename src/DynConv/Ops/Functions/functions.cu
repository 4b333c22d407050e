// Functions of each element by itself, and their derivatives. See element_walk.cuh for how the work is split.
//
// Which function it is, is a number and not a macro: memory sets the pace, and one kernel serves them all.
#include "element_walk.cuh"

typedef Packet<TYPE, VECTOR> Chunk;

// In the order of Functions.cs.
enum Function { EXP, LOG, SQRT, TANH, SIGMOID, RELU, SILU, SOFTPLUS, GELU };

// The error function, a rational approximation on |x| <= 4, beyond which it is 1 in float32: within 4e-7.
DEVICE float erf_of(float x)
{
    x = maximum(minimum(x, 4.f), -4.f);
    float s = x * x;
    float p = -2.72614225801306e-10f;
    p = fused_multiply_add(p, s, 2.77068142495902e-8f);
    p = fused_multiply_add(p, s, -2.10102402082508e-6f);
    p = fused_multiply_add(p, s, -5.69250639462346e-5f);
    p = fused_multiply_add(p, s, -7.34990630326855e-4f);
    p = fused_multiply_add(p, s, -2.95459980854025e-3f);
    p = fused_multiply_add(p, s, -1.60960333262415e-2f);
    float q = -1.45660718464996e-5f;
    q = fused_multiply_add(q, s, -2.13374055278905e-4f);
    q = fused_multiply_add(q, s, -1.68282697438203e-3f);
    q = fused_multiply_add(q, s, -7.37332916720468e-3f);
    q = fused_multiply_add(q, s, -1.42647390514189e-2f);
    return x * p / q;
}

// The normal distribution's cumulative probability.
DEVICE float normal_probability(float x) { return 0.5f + 0.5f * erf_of(x * 0.70710678f); }

// Near 0 the quotient of exponentials would lose its digits. NaN goes through minimum and maximum as their first argument.
DEVICE float tanh_of(float x)
{
    if (x > -0.25f && x < 0.25f)
    {
        float s = x * x;
        return x * (1.f + s * (-0.333333333f + s * (0.133333333f + s * (-0.0539682540f + s * 0.0218694885f))));
    }

    return 1.f - 2.f / (1.f + exp_of(2.f * maximum(minimum(x, 20.f), -20.f)));
}

DEVICE float value_of(int function, float x)
{
    switch (function)
    {
        case EXP: return exp_of(x);
        case LOG: return x >= 0.f ? log_of(x) : float_of_bits(0x7fc00000u);
        case SQRT: return square_root(x);
        case TANH: return tanh_of(x);
        case SIGMOID: return sigmoid(x);
        case RELU: return x < 0.f ? 0.f : x;
        case SILU: return x * sigmoid(x);
        case SOFTPLUS: return softplus(x);
        default: return x * normal_probability(x);
    }
}

// The derivative in terms of what was kept: the result up to RELU but for LOG, and x for the others.
DEVICE float slope_of(int function, float kept)
{
    switch (function)
    {
        case EXP: return kept;
        case LOG: return 1.f / kept;
        case SQRT: return 0.5f / kept;
        case TANH: return 1.f - kept * kept;
        case SIGMOID: return kept * (1.f - kept);
        case RELU: return kept > 0.f ? 1.f : 0.f;
        case SILU:
        {
            float s = sigmoid(kept);
            return fused_multiply_add(kept * s, 1.f - s, s);
        }

        case SOFTPLUS: return sigmoid(kept);
        default: return fused_multiply_add(kept * 0.39894228f, exp_of(-0.5f * kept * kept), normal_probability(kept));
    }
}

struct Forward
{
    static constexpr int TENSORS = 2;
    typedef Chunk Input;

    const TYPE* x;
    TYPE* y;
    int function;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return Chunk::load(x + at[0]); }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = value_of(function, in[i]);
        }

        Chunk::of(values).store(y + at[1]);
    }
};

struct Backward
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk dy, kept; };

    const TYPE* dy;
    const TYPE* kept;
    TYPE* dx;
    int function;
    bool accumulate;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return {Chunk::load(dy + at[0]), Chunk::load(kept + at[1])}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in.dy[i] * slope_of(function, in.kept[i]);
        }

        put_packet(dx + at[2], values, accumulate);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    functions_forward(const __grid_constant__ ElementWalk walk, const TYPE* x, TYPE* y, int function)
{
    after_earlier_launches();
    run_elements(walk, Forward{x, y, function});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) functions_backward(
    const __grid_constant__ ElementWalk walk, const TYPE* dy, const TYPE* kept, TYPE* dx, int function, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, Backward{dy, kept, dx, function, accumulate != 0});
}
