// How the backward kernel walks along the tokens.
//
// A warp takes a part of a batch entry's tokens and WARP * CHANNELS channels, CHANNELS of them a lane: the rows that the
// filter reaches back to stay in registers, so that every row is read once (W - 1 rows are read again where a part begins
// and where it ends). Rows come through shared memory, where every lane copies its own channels AHEAD tokens before it
// needs them; no lane waits for another. A block's WARPS warps take successive parts of the same channels; blocks lie side
// by side along the channels first.
//
// Of the compiler's options, besides those of head_wise_convolution.cuh: WARPS.
#pragma once
#include "head_wise_convolution.cuh"
#include "queue.cuh"

static constexpr int GROUP = WARP * CHANNELS;
static constexpr int THREADS = WARP * WARPS;

typedef float Taps[WIDTH][CHANNELS];

// Whether elements wait in registers, too narrow for copies of their own (queue.cuh).
static constexpr bool FIXED_SLOTS = CHANNELS * sizeof(ELEMENT) < 4 || (HEADS > 0 && FILTER_PACK * sizeof(ELEMENT) < 4);

// Tokens that a turn of the loop takes, and tokens under way: as many as static shared memory has room for. Single elements of 2 bytes
// wait in registers, and need twice a turn under way as well.
static constexpr int TURN = CHANNELS * sizeof(ELEMENT) < 4 && WIDTH <= 8 ? 8 : 4;
static constexpr int TOKEN_BYTES = (2 * CHANNELS + FILTERS) * sizeof(ELEMENT) * THREADS;
static constexpr int AHEAD = !FIXED_SLOTS && 2 * TURN * TOKEN_BYTES <= 48 << 10 ? 2 * TURN : TURN;

typedef Queue<ELEMENT, CHANNELS, CHANNELS, AHEAD, THREADS> RowQueue;
typedef Queue<ELEMENT, FILTERS, FILTER_PACK, AHEAD, THREADS> HeadQueue;

// Where tokens of this warp begin and end, and its lane's channels.
struct Part
{
    int64 batch;
    int64 begin;
    int length;
    int64 channel;
    bool active;

    DEVICE Part(const Sequences& sequences, int64 channels, int most, int64 parts)
    {
        int64 groups = (channels + GROUP - 1) / GROUP;
        int64 index = (int64)blockIdx.x / groups * WARPS + threadIdx.x / WARP;
        batch = index / parts;
        begin = index % parts * most;
        length = batch < sequences.batch ? (int)maximum(minimum(sequences.time - begin, (int64)most), (int64)0) : 0;
        channel = (int64)blockIdx.x % groups * GROUP + threadIdx.x % WARP * CHANNELS;
        active = channel < channels;
        channel = active ? channel : 0;
    }
};

// Walks along the rows of one tensor.
template <typename T>
struct Walk
{
    T* at;
    int64 stride_bytes;

    DEVICE Walk(const Rows<T>& rows, int64 b, int64 t, int64 column)
        : at(rows.at(b, t) + column), stride_bytes(rows.time_stride * (int64)sizeof(T))
    {
    }

    DEVICE T* next()
    {
        T* here = at;
        at = advance(at, stride_bytes);
        return here;
    }
};

DEVICE void unpack(float (&values)[CHANNELS], const Row& row)
{
#pragma unroll
    for (int c = 0; c < CHANNELS; c++)
    {
        values[c] = row[c];
    }
}

// Row w of the window becomes what lies w tokens before the part's next token; row 0 is left alone.
DEVICE void set_window(Taps& window, const Row (&before)[WIDTH])
{
#pragma unroll
    for (int w = 1; w < WIDTH; w++)
    {
        unpack(window[w], before[w]);
    }
}

// Rows move one token away; row 0 is free.
DEVICE void shift(Taps& rows)
{
#pragma unroll
    for (int w = WIDTH - 1; w > 0; w--)
    {
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            rows[w][c] = rows[w - 1][c];
        }
    }
}

// The position of the part's token i in its sequence; where sequences are not packed, none begins inside of a part.
DEVICE int position_inside(const Sequences& sequences, const Part& part, int i)
{
    return PACKED ? sequences.positions[part.begin + i] : MOST_BEFORE;
}

// Takes every token of the part from its slot. Returns the slot of the token after the part.
template <typename Pass>
DEVICE int walk(Pass& pass, const Part& part)
{
    int slot = 0;
    int i = 0;
    for (; i + TURN <= part.length; i += TURN)
    {
#pragma unroll
        for (int j = 0; j < TURN; j++)
        {
            pass.token(slot + j, i + j);
        }

        slot = (slot + TURN) % AHEAD;
    }

    if constexpr (FIXED_SLOTS)
    {
#pragma unroll
        for (int j = 0; j < TURN - 1; j++)
        {
            if (i + j < part.length)
            {
                pass.token(j, i + j);
            }
        }
    }
    else
    {
#pragma unroll 1
        for (; i < part.length; i++)
        {
            pass.token(slot++, i);
        }
    }

    return slot;
}

template <typename Pass>
DEVICE void fill(Pass& pass, const Part& part)
{
#pragma unroll
    for (int i = 0; i < AHEAD; i++)
    {
        pass.push(i, i);
    }
}
