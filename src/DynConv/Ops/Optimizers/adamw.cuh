// What a step of AdamW does to an element.
#pragma once
#include "prelude.cuh"

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

// NaN if the step is to change nothing.
DEVICE float scale_of(const Factors& f, const float* gradient_scale)
{
    return gradient_scale == nullptr ? f.gradient : f.gradient * *gradient_scale;
}

// Every sum and product by itself or fused by name: compilers fuse as they like, and not alike in all kernels.
DEVICE void advance(float gradient, float& p, float& m, float& v, const Factors& f, float kept, float scale)
{
    float g = gradient * scale;
    m = fused_multiply_add(m, f.beta1, g * f.new1);
    v = fused_multiply_add(v, f.beta2, g * g * f.new2);
    float root = fused_multiply_add(square_root(v), f.root, f.epsilon);
    p = fused_multiply_add(p, kept, -(m * f.step / root));
}
