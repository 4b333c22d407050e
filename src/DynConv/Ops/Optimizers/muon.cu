// What a step of Muon takes beside matrix products, element by element; nothing changes if the gradient's factor is NaN. See
// element_walk.cuh for how the work is split.
#include "element_walk.cuh"

typedef Packet<float, VECTOR> State;
typedef Packet<TYPE, VECTOR> Values;
typedef Packet<bf16, VECTOR> Direction;

struct Factors
{
    float gradient;    // times *gradient_scale, where there is one
    float momentum;    // what stays of the momentum, and its part in the direction
    float fresh;       // 1 - momentum
    float kept;        // 1 - lr decay
    float step;        // of the direction
};

DEVICE float scale_of(const Factors& factors, const float* gradient_scale)
{
    return gradient_scale == nullptr ? factors.gradient : factors.gradient * *gradient_scale;
}

struct Momentum
{
    static constexpr int TENSORS = 3;
    struct Input { Values g; State m; };

    const TYPE* gradient;
    float* momentum;
    bf16* direction;
    const Factors& f;
    float scale;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {Values::load(gradient + at[0]), State::load(momentum + at[1])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float m[VECTOR], u[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            float fresh = in.g[i] * scale * f.fresh;
            m[i] = fused_multiply_add(in.m[i], f.momentum, fresh);
            u[i] = fused_multiply_add(m[i], f.momentum, fresh);
        }

        State::of(m).store(momentum + at[1]);
        Direction::of(u).store(direction + at[2]);
    }
};

struct Normalize
{
    static constexpr int TENSORS = 1;
    struct Input { Values x; };

    TYPE* x;
    float factor;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return {Values::load(x + at[0])}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float y[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            y[i] = in.x[i] * factor;
        }

        Values::of(y).store(x + at[0]);
    }
};

struct Update
{
    static constexpr int TENSORS = 2;
    struct Input { State p; Values u; };

    float* parameter;
    const TYPE* direction;
    const Factors& f;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {State::load(parameter + at[0]), Values::load(direction + at[1])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float p[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            p[i] = in.p[i] * f.kept - in.u[i] * f.step;
        }

        State::of(p).store(parameter + at[0]);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) muon_momentum(
    const __grid_constant__ ElementWalk walk,
    const __grid_constant__ Factors factors,
    const float* gradient_scale,
    const TYPE* gradient,
    float* momentum,
    bf16* direction)
{
    after_earlier_launches();
    float scale = scale_of(factors, gradient_scale);
    if (scale == scale)
    {
        run_elements(walk, Momentum{gradient, momentum, direction, factors, scale});
    }
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) muon_normalize(
    const __grid_constant__ ElementWalk walk, TYPE* x, const float* squared_norm, float least_norm, float length)
{
    after_earlier_launches();
    float norm = square_root(*squared_norm);
    run_elements(walk, Normalize{x, length / (norm > least_norm ? norm : least_norm)});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) muon_update(
    const __grid_constant__ ElementWalk walk,
    const __grid_constant__ Factors factors,
    const float* gradient_scale,
    float* parameter,
    const TYPE* direction)
{
    after_earlier_launches();
    float scale = scale_of(factors, gradient_scale);
    if (scale == scale)
    {
        run_elements(walk, Update{parameter, direction, factors});
    }
}
