// What the kernels of all short convolutions share: where rows of tokens lie, which tokens follow one another, and what
// stands before the first of them. Mirrored by KernelRows and KernelSequences.
#pragma once
#include "prelude.cuh"

// Tokens before a token of its own sequence are counted up to this: as far as the widest filter (16 taps) reaches back.
static constexpr int MOST_BEFORE = 15;

// Element (b, t, c) of a [B, T, C] tensor stands at first + b * batch_stride + t * time_stride + c. Likewise the initial
// state [N, W - 1, D], with sequences for batches and its rows, oldest first, for tokens. No tensor: first is null.
template <typename T>
struct Rows
{
    T* first;
    int64 batch_stride;
    int64 time_stride;

    DEVICE T* at(int64 b, int64 t) const { return first + b * batch_stride + t * time_stride; }
};

// A sequence is a batch entry, or a piece of the only one where sequences are packed.
struct Sequences
{
    int64 batch;
    int64 time;
    const uint8* positions; // packed: for each token, the tokens of its sequence before it, at most MOST_BEFORE; else null
    const int64* bounds;    // packed: cu_seqlens, [count + 1]
    int64 count;

    // How many tokens of its own sequence come before token t, at most MOST_BEFORE.
    DEVICE int position(int64 t) const
    {
        return positions != nullptr ? positions[t] : (int)minimum(t, (int64)MOST_BEFORE);
    }

    // The number of the sequence that token t of batch entry b belongs to.
    DEVICE int64 index(int64 b, int64 t) const
    {
        if (positions == nullptr)
        {
            return b;
        }

        // Of empty sequences several start at one position: the last of them is the one with tokens.
        int64 low = 0;
        int64 high = count - 1;
        while (low < high)
        {
            int64 middle = (low + high + 1) / 2;
            if (bounds[middle] <= t)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }
};

// The inputs that tap w of a filter of TAPS taps meets at token t of batch entry b: a row of x, of the initial state,
// or null for zeros.
template <int TAPS, typename T>
DEVICE const T* input_before(
    const Rows<const T>& x, const Rows<const T>& state, const Sequences& sequences, int64 b, int64 t, int w)
{
    int position = sequences.position(t);
    return w <= position          ? x.at(b, t - w)
           : state.first == nullptr ? nullptr
                                    : state.at(sequences.index(b, t), TAPS - 1 + position - w);
}
