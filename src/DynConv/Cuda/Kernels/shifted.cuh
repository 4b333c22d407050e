// Elements that begin anywhere, from aligned accesses: words of memory, shifted by what their place is off.
#pragma once
#include "prelude.cuh"

// The words that begin `bytes` behind the first of `from`, an even number below 4 (Read - Words); Read - Words is a power of two.
template <int Words, int Read>
DEVICE void shift_words(uint32 (&to)[Words], const uint32 (&from)[Read], uint32 bytes)
{
    uint32 words[Read];
#pragma unroll
    for (int i = 0; i < Read; i++)
    {
        words[i] = from[i];
    }

    // Whole words by halves: an index that is not a constant would send them through local memory.
#pragma unroll
    for (int step = (Read - Words) / 2; step > 0; step /= 2)
    {
#pragma unroll
        for (int i = 0; i + step < Read; i++)
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
