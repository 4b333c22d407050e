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

// COUNT elements in registers, packed in words as they lie in memory.
template <typename T, int COUNT>
struct Packet
{
    static constexpr int SIZE = sizeof(T);
    static constexpr int WORDS = (COUNT * SIZE + 3) / 4;

    uint32 words[WORDS];

    DEVICE float at(int i) const
    {
        if constexpr (SIZE == 4)
        {
            return float_of_bits(words[i]);
        }
        else
        {
            return i % 2 == 0 ? low_float(words[i / 2]) : high_float(words[i / 2]);
        }
    }

    // Rounds COUNT floats.
    DEVICE static Packet of(const float (&values)[COUNT])
    {
        Packet packet;
#pragma unroll
        for (int i = 0; i < WORDS; i++)
        {
            if constexpr (SIZE == 4)
            {
                packet.words[i] = bits_of_float(values[i]);
            }
            else
            {
                packet.words[i] = pack_bf16(values[2 * i], 2 * i + 1 < COUNT ? values[(2 * i + 1) % COUNT] : 0.f);
            }
        }

        return packet;
    }

    // Takes COUNT, or PACK, elements over from memory in one access: their place is a multiple of their size.
    template <int PACK>
    DEVICE void set(int i, const T* from)
    {
        constexpr int bytes = PACK * SIZE;
        static_assert(COUNT % PACK == 0 && bytes <= 16, "");
        uint32* to = words + i * SIZE / 4;
        if constexpr (bytes == 16)
        {
            Bits128 bits = *reinterpret_cast<const Bits128*>(from);
            to[0] = bits.x;
            to[1] = bits.y;
            to[2] = bits.z;
            to[3] = bits.w;
        }
        else if constexpr (bytes == 8)
        {
            Bits64 bits = *reinterpret_cast<const Bits64*>(from);
            to[0] = bits.x;
            to[1] = bits.y;
        }
        else if constexpr (bytes == 4)
        {
            to[0] = *reinterpret_cast<const uint32*>(from);
        }
        else
        {
            uint32 half = *reinterpret_cast<const uint16*>(from);
            to[0] = i % 2 == 0 ? half : to[0] | half << 16;
        }
    }

    // Reads and writes PACK elements at a time.
    template <int PACK = COUNT>
    DEVICE static Packet load(const T* from)
    {
        Packet packet;
#pragma unroll
        for (int i = 0; i < COUNT; i += PACK)
        {
            packet.template set<PACK>(i, from + i);
        }

        return packet;
    }

    template <int PACK = COUNT>
    DEVICE void store(T* to) const
    {
        static_assert(COUNT % PACK == 0 && PACK * SIZE <= 16, "");
        constexpr int bytes = PACK * SIZE;
#pragma unroll
        for (int i = 0; i < COUNT; i += PACK)
        {
            const uint32* from = words + i * SIZE / 4;
            if constexpr (bytes == 16)
            {
                store_streaming(reinterpret_cast<Bits128*>(to + i), Bits128{from[0], from[1], from[2], from[3]});
            }
            else if constexpr (bytes == 8)
            {
                store_streaming(reinterpret_cast<Bits64*>(to + i), Bits64{from[0], from[1]});
            }
            else if constexpr (bytes == 4)
            {
                store_streaming(reinterpret_cast<uint32*>(to + i), from[0]);
            }
            else
            {
                store_streaming(reinterpret_cast<uint16*>(to + i), (uint16)(i % 2 == 0 ? from[0] : from[0] >> 16));
            }
        }
    }
};

// Rounds floats and writes them, or adds them to what is there.
template <int PACK, typename T, int COUNT>
DEVICE void put(T* to, float (&values)[COUNT], bool accumulate)
{
    if (accumulate)
    {
        Packet<T, COUNT> before = Packet<T, COUNT>::template load<PACK>(to);
#pragma unroll
        for (int i = 0; i < COUNT; i++)
        {
            values[i] += before.at(i);
        }
    }

    Packet<T, COUNT>::of(values).template store<PACK>(to);
}
