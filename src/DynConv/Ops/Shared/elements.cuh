// Elements that move together, and where the rows of tensors with any strides begin.
#pragma once
#include "prelude.cuh"

// Elements as they lie in memory, at an address that is a multiple of their size.
template <typename Element, int Count>
struct Elements;

template <int Count>
struct Elements<float, Count>
{
    Pack<float, Count> pack;

    DEVICE static Elements load(const float* from) { return {Pack<float, Count>::load(from)}; }
    DEVICE void store(float* to) const { pack.store(to); }
    DEVICE float operator[](int i) const { return pack.at[i]; }

    DEVICE static Elements of(const float (&values)[Count])
    {
        Elements elements;
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            elements.pack.at[i] = values[i];
        }

        return elements;
    }
};

template <int Count>
struct Elements<bf16, Count>
{
    Pack<uint32, Count / 2> pairs;

    DEVICE static Elements load(const bf16* from)
    {
        return {Pack<uint32, Count / 2>::load(reinterpret_cast<const uint32*>(from))};
    }

    DEVICE void store(bf16* to) const { pairs.store(reinterpret_cast<uint32*>(to)); }
    DEVICE float operator[](int i) const { return i % 2 ? high_float(pairs.at[i / 2]) : low_float(pairs.at[i / 2]); }

    DEVICE static Elements of(const float (&values)[Count])
    {
        Elements elements;
#pragma unroll
        for (int i = 0; i < Count / 2; i++)
        {
            elements.pairs.at[i] = pack_bf16(values[2 * i], values[2 * i + 1]);
        }

        return elements;
    }
};

template <>
struct Elements<bf16, 1>
{
    bf16 element;

    DEVICE static Elements load(const bf16* from) { return {*from}; }
    DEVICE void store(bf16* to) const { *to = element; }
    DEVICE float operator[](int) const { return to_float(element); }
    DEVICE static Elements of(const float (&values)[1]) { return {from_float<bf16>(values[0])}; }
};

// Writes values, or adds them to those there.
template <typename Element, int Count>
DEVICE void put_elements(Element* to, float (&values)[Count], bool accumulate)
{
    if (accumulate)
    {
        auto before = Elements<Element, Count>::load(to);
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            values[i] += before[i];
        }
    }

    Elements<Element, Count>::of(values).store(to);
}

DEVICE uint64 quotient(uint64 a, uint64 b) { return (a | b) >> 32 == 0 ? (uint32)a / (uint32)b : a / b; }

// How tensors of one shape lie in memory: rows of elements inside outer dimensions. All numbers count elements.
struct RowStrides
{
    static constexpr int MOST_TENSORS = 5;
    static constexpr int MOST_OUTER = 6;

    int64 outer;
    int64 dimensions[MOST_OUTER];
    int64 strides[MOST_TENSORS][MOST_OUTER];
    int64 inner[MOST_TENSORS];

    // Where a row begins in each tensor.
    template <int TENSORS>
    DEVICE void find(uint64 row, int64 (&at)[TENSORS]) const
    {
#pragma unroll
        for (int t = 0; t < TENSORS; t++)
        {
            at[t] = 0;
        }

        for (int d = (int)outer - 1; d >= 0; d--)
        {
            uint64 rest = d == 0 ? 0 : quotient(row, dimensions[d]);
            int64 index = (int64)(row - rest * dimensions[d]);
            row = rest;
#pragma unroll
            for (int t = 0; t < TENSORS; t++)
            {
                at[t] += index * strides[t][d];
            }
        }
    }
};
