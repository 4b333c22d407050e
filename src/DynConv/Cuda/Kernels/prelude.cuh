// What kernels share: element types, a few functions, sums over a warp and a block. Included by every kernel. Names in
// capitals of two letters and more are left to kernels and their macros.
//
//   packet.cuh   neighbouring elements that move together (included here)
//   tiles.cuh    products of rows on tensor cores
//   shifted.cuh  elements that begin anywhere, from aligned accesses
//   queue.cuh    elements that each lane fetches some steps before it uses them
//   device.cuh   what only hardware can do, a function each (included here)
#pragma once
#include "device.cuh"

static constexpr int WARP = 32;

// Where a struct has a member, as a constant: what C# appends to sources compares with its own structs (CudaStruct.cs).
#if defined(__CUDACC_RTC__)
#define OFFSET_OF(type, member) __INTADDR__(&(((type*)0)->member))
#else
#define OFFSET_OF(type, member) __builtin_offsetof(type, member)
#endif

// The upper half of a float.
struct bf16 { uint16 bits; };

DEVICE float to_float(float x) { return x; }
DEVICE float to_float(bf16 x) { return float_of_bits((uint32)x.bits << 16); }

// The two bfloat16 of a register.
DEVICE float low_float(uint32 pair) { return float_of_bits(pair << 16); }
DEVICE float high_float(uint32 pair) { return float_of_bits(pair & 0xffff0000u); }

template <typename Element> DEVICE Element from_float(float x);
template <> DEVICE float from_float<float>(float x) { return x; }
template <> DEVICE bf16 from_float<bf16>(float x) { return bf16{round_bf16(x)}; }

// Writes a value, or adds it to the one there.
template <typename Element>
DEVICE void put(Element* to, float value, bool accumulate)
{
    *to = from_float<Element>(accumulate ? to_float(*to) + value : value);
}

template <typename Value> DEVICE Value minimum(Value a, Value b) { return b < a ? b : a; }
template <typename Value> DEVICE Value maximum(Value a, Value b) { return a < b ? b : a; }

// e^x: relative error below 3e-7 for |x| < 88, with the product's rounding error carried along.
DEVICE float exp_of(float x)
{
    constexpr float log2e = 1.4426950408889634f;
    constexpr float rest = 1.925963033500e-8f;
    float product = x * log2e;
    float lost = fused_multiply_add(x, log2e, -product);
    float correction = fused_multiply_add(x, rest, lost);
    float power = exp2_fast(product);
    // 2^(p + c) = 2^p (1 + c ln 2); an overflown or vanished power stays what it is.
    return power > 0.f && power < 3.4e38f ? fused_multiply_add(power, correction * 0.6931471805599453f, power) : power;
}

DEVICE float log_of(float x) { return log2_fast(x) * 0.6931471805599453f; }

DEVICE float sigmoid(float x) { return 1.f / (1.f + exp_of(-x)); }

// log(1 + e^x), as max(x, 0) and 2 artanh(e / (2 + e)) with e = e^-|x|, by its power series up to 1/3: small results keep their digits.
DEVICE float softplus(float x)
{
    float e = exp_of(x < 0.f ? x : -x);
    float s = e / (2.f + e);
    float square = s * s;
    float p = 2.f / 13.f;
    p = fused_multiply_add(p, square, 2.f / 11.f);
    p = fused_multiply_add(p, square, 2.f / 9.f);
    p = fused_multiply_add(p, square, 2.f / 7.f);
    p = fused_multiply_add(p, square, 2.f / 5.f);
    p = fused_multiply_add(p, square, 2.f / 3.f);
    p = fused_multiply_add(p, square, 2.f);
    return fused_multiply_add(p, s, x < 0.f ? 0.f : x);
}

DEVICE float shuffle_xor(float value, int mask) { return float_of_bits(shuffle_xor(bits_of_float(value), mask)); }
DEVICE float shuffle(float value, int lane) { return float_of_bits(shuffle(bits_of_float(value), lane)); }

// Sum and maximum over the lanes of a warp; every lane gets it, and the order is always the same.
DEVICE float warp_sum(float value)
{
#pragma unroll
    for (int mask = WARP / 2; mask > 0; mask /= 2)
    {
        value += shuffle_xor(value, mask);
    }

    return value;
}

DEVICE float warp_maximum(float value)
{
#pragma unroll
    for (int mask = WARP / 2; mask > 0; mask /= 2)
    {
        value = maximum(value, shuffle_xor(value, mask));
    }

    return value;
}

// Sum over a block of so many threads, whole warps of one dimension that all take part; every thread gets it. `scratch` has one float a warp of shared memory, and may
// be used again after the next barrier.
template <int Threads>
DEVICE float block_sum(float value, float* scratch)
{
    constexpr int warps = Threads / WARP;
    value = warp_sum(value);
    if (threadIdx.x % WARP == 0)
    {
        scratch[threadIdx.x / WARP] = value;
    }

    block_barrier();
    float sum = 0.f;
#pragma unroll
    for (int w = 0; w < warps; w++)
    {
        sum += scratch[w];
    }

    return sum;
}

template <int Threads>
DEVICE float block_maximum(float value, float* scratch)
{
    constexpr int warps = Threads / WARP;
    value = warp_maximum(value);
    if (threadIdx.x % WARP == 0)
    {
        scratch[threadIdx.x / WARP] = value;
    }

    block_barrier();
    float largest = scratch[0];
#pragma unroll
    for (int w = 1; w < warps; w++)
    {
        largest = maximum(largest, scratch[w]);
    }

    return largest;
}

#include "packet.cuh"
