// The factor that brings a gradient, already multiplied by `scale`, down to a norm; NaN where its norm is not finite. One
// thread.
#include "prelude.cuh"

extern "C" __global__ void clip_scale(const float* squared_sum, float maximum_norm, float scale, float* factor)
{
    after_earlier_launches();
    float norm = square_root(*squared_sum);
    float not_finite = norm - norm;    // NaN; 0 for any other norm
    *factor = (scale * norm > maximum_norm ? maximum_norm / norm : scale) + not_finite;
}
