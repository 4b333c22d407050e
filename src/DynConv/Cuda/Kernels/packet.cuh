// Neighbouring elements that move together. Included by every kernel (prelude.cuh).
//
//   typedef Packet<ELEMENT, 8> Row;
//   Row row = Row::load(from);             one access of 16 bytes for bfloat16, two for float
//   float third = row[2];                  elements are read as float
//   Row::of(values).store(to);             rounds 8 floats
//
// A packet lies in registers as it does in memory, bfloat16 in pairs, so that what waits for its use takes no more registers
// than it has to. Addresses must be multiples of the access size. Where only pieces of Piece elements are aligned, call
// load<Piece> and store<Piece>. The ends of rows that no packet fills are the caller's.
#pragma once

// Words that move in one access.
template <typename Word, int Count>
struct alignas(sizeof(Word) * Count) Access
{
    Word at[Count];
};

// What a register holds of elements: one float, or two bfloat16.
template <typename Element> struct PacketWord;
template <> struct PacketWord<float> { typedef float type; };
template <> struct PacketWord<bf16> { typedef uint32 type; };

DEVICE float element_of(const float* words, int i) { return words[i]; }
DEVICE float element_of(const uint32* words, int i) { return i % 2 ? high_float(words[i / 2]) : low_float(words[i / 2]); }

DEVICE uint32 bits_of(float word) { return bits_of_float(word); }
DEVICE uint32 bits_of(uint32 word) { return word; }

template <typename Element, int Count>
struct Packet
{
    typedef typename PacketWord<Element>::type Word;

    static constexpr int Size = sizeof(Element);
    static constexpr int Words = (Count * Size + 3) / 4;
    static constexpr int Widest = Count * Size <= 16 ? Count : 16 / Size; // elements of the widest access

    Word words[Words];

    DEVICE float operator[](int i) const { return element_of(words, i); }

    DEVICE static Packet of(const float (&values)[Count])
    {
        Packet packet;
#pragma unroll
        for (int i = 0; i < Words; i++)
        {
            if constexpr (Size == 4)
            {
                packet.words[i] = values[i];
            }
            else
            {
                packet.words[i] = pack_bf16(values[2 * i], 2 * i + 1 < Count ? values[(2 * i + 1) % Count] : 0.f);
            }
        }

        return packet;
    }

    template <int Piece = Widest>
    DEVICE static Packet load(const Element* from)
    {
        Packet packet;
#pragma unroll
        for (int i = 0; i < Count; i += Piece)
        {
            packet.template set<Piece>(i, from + i);
        }

        return packet;
    }

    // Takes elements i .. i + Piece - 1 over from memory.
    template <int Piece>
    DEVICE void set(int i, const Element* from)
    {
        static_assert(Count % Piece == 0 && Piece * Size <= 16, "an access has 16 bytes at most");
        if constexpr (Piece * Size >= 4)
        {
            auto read = *reinterpret_cast<const Access<Word, Piece * Size / 4>*>(from);
#pragma unroll
            for (int k = 0; k < Piece * Size / 4; k++)
            {
                words[i * Size / 4 + k] = read.at[k];
            }
        }
        else
        {
            uint32 half = *reinterpret_cast<const uint16*>(from);
            words[i / 2] = i % 2 == 0 ? half : words[i / 2] | half << 16;
        }
    }

    template <int Piece = Widest>
    DEVICE void store(Element* to) const
    {
        static_assert(Count % Piece == 0 && Piece * Size <= 16, "an access has 16 bytes at most");
#pragma unroll
        for (int i = 0; i < Count; i += Piece)
        {
            if constexpr (Piece * Size >= 4)
            {
                // As an array: NVRTC splits the same store of a Bits128 made of words into four.
                Access<Word, Piece * Size / 4> written;
#pragma unroll
                for (int k = 0; k < Piece * Size / 4; k++)
                {
                    written.at[k] = words[i * Size / 4 + k];
                }

                *reinterpret_cast<Access<Word, Piece * Size / 4>*>(to + i) = written;
            }
            else
            {
                *reinterpret_cast<uint16*>(to + i) = half(i);
            }
        }
    }

    // The same for what nobody reads soon: results larger than the caches.
    template <int Piece = Widest>
    DEVICE void store_streaming(Element* to) const
    {
        static_assert(Count % Piece == 0 && Piece * Size <= 16, "an access has 16 bytes at most");
#pragma unroll
        for (int i = 0; i < Count; i += Piece)
        {
            const Word* from = words + i * Size / 4;
            if constexpr (Piece * Size == 16)
            {
                write_streaming(
                    reinterpret_cast<Bits128*>(to + i), Bits128{bits_of(from[0]), bits_of(from[1]), bits_of(from[2]), bits_of(from[3])});
            }
            else if constexpr (Piece * Size == 8)
            {
                write_streaming(reinterpret_cast<Bits64*>(to + i), Bits64{bits_of(from[0]), bits_of(from[1])});
            }
            else if constexpr (Piece * Size == 4)
            {
                write_streaming(reinterpret_cast<uint32*>(to + i), bits_of(from[0]));
            }
            else
            {
                write_streaming(reinterpret_cast<uint16*>(to + i), half(i));
            }
        }
    }

private:
    // Element i of bfloat16 as it lies in memory.
    DEVICE uint16 half(int i) const { return (uint16)(i % 2 == 0 ? bits_of(words[i / 2]) : bits_of(words[i / 2]) >> 16); }
};

// decltype(size_of(packet))::value is the number of a packet's elements where only the packet is known.
template <int Value> struct PacketSize { static constexpr int value = Value; };
template <typename Element, int Count> DEVICE PacketSize<Count> size_of(const Packet<Element, Count>&);

// Adds what is in memory to values.
template <int Piece, typename Element, int Count>
DEVICE void add_packet(float (&values)[Count], const Element* from)
{
    auto before = Packet<Element, Count>::template load<Piece>(from);
#pragma unroll
    for (int i = 0; i < Count; i++)
    {
        values[i] += before[i];
    }
}

// Rounds values and writes them, or the sums of them and of what is there, which then are in `values`, too. Piece elements an
// access, or as many as there can be.
template <int Piece = 0, typename Element, int Count>
DEVICE void put_packet(Element* to, float (&values)[Count], bool accumulate)
{
    constexpr int piece = Piece == 0 ? Packet<Element, Count>::Widest : Piece;
    if (accumulate)
    {
        add_packet<piece>(values, to);
    }

    Packet<Element, Count>::of(values).template store<piece>(to);
}

// The same for what nobody reads soon, Piece elements an access.
template <int Piece, typename Element, int Count>
DEVICE void put_packet_streaming(Element* to, float (&values)[Count], bool accumulate)
{
    if (accumulate)
    {
        add_packet<Piece>(values, to);
    }

    Packet<Element, Count>::of(values).template store_streaming<Piece>(to);
}
