// One step of AdamW, in place, element by element; none if the gradient's factor is NaN. See element_walk.cuh for how the
// work is split.
#include "adamw.cuh"
#include "element_walk.cuh"

typedef Packet<float, VECTOR> State;
typedef Packet<GRADIENT, VECTOR> Fresh;

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
            p[i] = in.p[i];
            m[i] = in.m[i];
            v[i] = in.v[i];
            advance(in.g[i], p[i], m[i], v[i], f, f.kept, scale);
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
    float scale = scale_of(factors, gradient_scale);
    if (scale != scale)
    {
        return;
    }

    run_elements(walk, Step{parameter, gradient, first_moment, second_moment, factors, scale});
}
