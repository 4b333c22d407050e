// What the kernels of the low-rank convolution for any shape share. Macros: ELEMENT (type of x, z and y), WEIGHT (type of
// U), STATIC_WEIGHT (type of s), WIDTH (taps). Everything is computed in float32.
#pragma once
#include "convolution.cuh"

struct LearnedFilters
{
    const WEIGHT* u; // [R, WIDTH * D]
    int64 stride;
    int64 rank;

    DEVICE float at(int64 r, int w, int64 d, int64 channels) const { return to_float(u[r * stride + w * channels + d]); }
};

// The part of the filters that no factor changes: s, if there is one, and the residual's 1.
struct StaticWeight
{
    const STATIC_WEIGHT* s; // [WIDTH, D], or null
    int64 stride;
    int64 residual;

    DEVICE float at(int w, int64 d) const
    {
        float value = residual != 0 && w == 0 ? 1.f : 0.f;
        return s == nullptr ? value : value + to_float(s[w * stride + d]);
    }
};
