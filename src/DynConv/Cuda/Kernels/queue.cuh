// Elements on their way from global memory that each lane fetches for itself, some steps before it uses them.
//
//   typedef Queue<ELEMENT, 8, 8, AHEAD, THREADS> Rows;
//   __shared__ typename Rows::Memory memory;
//   Rows rows(memory);
//   rows.push(slot, from); copy_async_commit();                   AHEAD times before the first step
//   copy_async_wait<AHEAD - 1>(); Packet<ELEMENT, 8> row = rows.take(slot);   then push the slot anew, and commit
//
// No lane reads what another copies, so that a walk needs no barrier. `push` knows no bounds: what lies behind the end is not
// pushed, but committed all the same, so that the count of groups under way stays right. `take` does not wait. `from` is a
// multiple of an access's size.
#pragma once
#include "prelude.cuh"

// Count elements a slot, Piece at a time, in Ahead slots. There is no asynchronous copy of 2 bytes: such elements wait in
// registers (InRegisters), and slots must be compile-time constants.
template <typename Element, int Count, int Piece, int Ahead, int Threads, bool InRegisters = (Count > 0 && Piece * sizeof(Element) < 4)>
struct Queue
{
    static constexpr int Pieces = Count / Piece;
    static constexpr int Bytes = Piece * sizeof(Element);

    struct alignas(Bytes) Fetched { Element at[Piece]; };

    typedef Fetched Memory[Ahead][Pieces][Threads];

    Memory& memory;
    uint32 address;

    DEVICE Queue(Memory& memory) : memory(memory), address(shared_address(&memory[0][0][threadIdx.x])) {}

    DEVICE void push(int slot, const Element* from)
    {
#pragma unroll
        for (int i = 0; i < Pieces; i++)
        {
            copy_async<Bytes>(address + (slot * Pieces + i) * Threads * Bytes, from + i * Piece);
        }
    }

    DEVICE Packet<Element, Count> take(int slot) const
    {
        Packet<Element, Count> packet;
#pragma unroll
        for (int i = 0; i < Pieces; i++)
        {
            packet.template set<Piece>(i * Piece, memory[slot][i][threadIdx.x].at);
        }

        return packet;
    }
};

template <typename Element, int Count, int Piece, int Ahead, int Threads>
struct Queue<Element, Count, Piece, Ahead, Threads, true>
{
    typedef char Memory;

    Packet<Element, Count> packets[Ahead];

    DEVICE Queue(Memory&) {}

    DEVICE void push(int slot, const Element* from) { packets[slot] = Packet<Element, Count>::template load<Piece>(from); }

    DEVICE Packet<Element, Count> take(int slot) const { return packets[slot]; }
};

// Nothing to fetch.
template <typename Element, int Piece, int Ahead, int Threads>
struct Queue<Element, 0, Piece, Ahead, Threads, false>
{
    typedef char Memory;

    DEVICE Queue(Memory&) {}

    DEVICE void push(int, const Element*) {}

    DEVICE Packet<Element, 1> take(int) const { return {}; }
};
