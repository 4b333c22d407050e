// Where the rows of tensors with any strides begin.
#pragma once
#include "prelude.cuh"

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
