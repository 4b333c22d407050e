// Filters of any kind, tap by tap, for kernels that take any shape. Macros: ELEMENT (type of x, z, k and y), WEIGHT (type of U),
// STATIC_WEIGHT (type of s), WIDTH (taps). Everything is computed in float32.
#pragma once
#include "convolution.cuh"

struct LearnedFilters
{
    const WEIGHT* u; // [R, WIDTH * D]
    int64 stride;
    int64 rank;

    // Rounded as tensor cores take it, so that a token's result does not depend on the kernel.
    DEVICE float at(int64 r, int w, int64 d, int64 channels) const
    {
        return to_float(from_float<ELEMENT>(to_float(u[r * stride + w * channels + d])));
    }
};

// The part of the filters that is the same for all tokens: s, if there is one, and the residual's 1.
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

// f_w(t) = s[w,d] (+ 1 at w = 0) + k[b,t,head,w] + sum_r z[b,t,r] U[r,w,d], of which a convolution has what its kind has: k and z
// are null and the rank 0 where not.
struct TokenFilters
{
    Rows<const ELEMENT> heads; // k
    Rows<const ELEMENT> z;
    LearnedFilters learned;
    StaticWeight static_weight;
    int64 channels;
    int64 head_size;

    // Without the learned filters.
    DEVICE float start(int64 b, int64 t, int w, int64 d) const
    {
        float own = heads.first == nullptr ? 0.f : to_float(heads.at(b, t)[d / head_size * WIDTH + w]);
        return own + static_weight.at(w, d);
    }

    DEVICE float at(int64 b, int64 t, int w, int64 d) const
    {
        float filter = start(b, t, w, d);
        for (int64 r = 0; r < learned.rank; r++)
        {
            filter = fused_multiply_add(to_float(z.at(b, t)[r]), learned.at(r, w, d, channels), filter);
        }

        return filter;
    }
};
