// The factor that brings a gradient, already multiplied by `scale`, down to a norm. One thread.
#include "prelude.cuh"

extern "C" __global__ void clip_scale(const float* squared_sum, float maximum_norm, float scale, float* factor)
{
    float norm = square_root(*squared_sum);
    *factor = scale * norm > maximum_norm ? maximum_norm / norm : scale;
}
