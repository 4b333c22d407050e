// One step of AdamW, in place, element by element; none if the gradient's factor is NaN. See element_walk.cuh for how the
// work is split.
#include "element_walk.cuh"

typedef Packet<float, VECTOR> State;
typedef Packet<GRADIENT, VECTOR> Fresh;

struct Factors
{
    float gradient;      // times *gradient_scale, where there is one
    float kept;          // 1 - lr decay
    float beta1, new1;   // beta, 1 - beta
    float beta2, new2;
    float root;          // 1 / sqrt(1 - beta2^step)
    float epsilon;
    float step;          // lr / (1 - beta1^step)
};

struct Step
{
    static constexpr int TENSORS = 4;
    struct Input { State p, m, v; Fresh g; };

    float* parameter;
    const GRADIENT* gradient;
    float* first_moment;
    float* second_moment;
    const Factors& f;
    float scale;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {
            State::load(parameter + at[0]),
            State::load(first_moment + at[2]),
            State::load(second_moment + at[3]),
            Fresh::load(gradient + at[1])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float p[VECTOR], m[VECTOR], v[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            float g = in.g[i] * scale;
            m[i] = fused_multiply_add(in.m[i], f.beta1, g * f.new1);
            v[i] = fused_multiply_add(in.v[i], f.beta2, g * g * f.new2);
            float root = fused_multiply_add(square_root(v[i]), f.root, f.epsilon);
            p[i] = in.p[i] * f.kept - m[i] * f.step / root;
        }

        State::of(p).store(parameter + at[0]);
        State::of(m).store(first_moment + at[2]);
        State::of(v).store(second_moment + at[3]);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) adamw_step(
    const __grid_constant__ ElementWalk walk,
    const __grid_constant__ Factors factors,
    const float* gradient_scale,
    float* parameter,
    const GRADIENT* gradient,
    float* first_moment,
    float* second_moment)
{
    after_earlier_launches();
    float scale = gradient_scale == nullptr ? factors.gradient : factors.gradient * *gradient_scale;
    if (scale != scale)
    {
        return;
    }

    run_elements(walk, Step{parameter, gradient, first_moment, second_moment, factors, scale});
}
