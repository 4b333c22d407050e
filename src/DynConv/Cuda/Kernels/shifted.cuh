// Elements that begin anywhere, from aligned accesses: words of memory, shifted by what their place is off.
#pragma once
#include "prelude.cuh"

// The words that begin `bytes` behind the first of `from`, an even number below 4 Words.
template <int Words>
DEVICE void shift_words(uint32 (&to)[Words], const uint32 (&from)[2 * Words], uint32 bytes)
{
    uint32 words[2 * Words];
#pragma unroll
    for (int i = 0; i < 2 * Words; i++)
    {
        words[i] = from[i];
    }

    // Whole words by halves, as an index that is not a constant would send them through local memory.
#pragma unroll
    for (int step = Words / 2; step > 0; step /= 2)
    {
#pragma unroll
        for (int i = 0; i + step < 2 * Words; i++)
        {
            words[i] = bytes & 4 * step ? words[i + step] : words[i];
        }
    }

#pragma unroll
    for (int i = 0; i < Words; i++)
    {
        to[i] = (uint32)(((uint64)words[i + 1] << 32 | words[i]) >> bytes % 4 * 8);
    }
}
