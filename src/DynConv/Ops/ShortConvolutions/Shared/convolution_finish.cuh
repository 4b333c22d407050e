// What becomes of a sum of taps before it is written. Macro: FINISH, one of the numbers below.
#pragma once
#include "convolution.cuh"

static constexpr int PLAIN = 0;         // the sum
static constexpr int BIASED = 1;        // the sum and the bias
static constexpr int SILU = 2;          // silu of the sum and the bias, if there is one
static constexpr int SILU_GRADIENT = 3; // the gradient of that sum, from the gradient of its silu

template <typename T>
struct Finish
{
    const float* bias; // [D], or null
    Rows<const T> dy;  // of SILU_GRADIENT alone

    DEVICE float bias_of(int64 d) const { return FINISH == PLAIN || bias == nullptr ? 0.f : bias[d]; }
};

DEVICE float finished(float sum, float bias, float dy)
{
    if constexpr (FINISH == PLAIN)
    {
        return sum;
    }

    float x = sum + bias;
    if constexpr (FINISH == BIASED)
    {
        return x;
    }

    float s = sigmoid(x);
    float silu = x * s;
    return FINISH == SILU ? silu : dy * fused_multiply_add(silu, 1.f - s, s);
}
