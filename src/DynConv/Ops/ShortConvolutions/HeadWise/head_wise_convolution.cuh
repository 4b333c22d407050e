// What the kernels share whose filters are read: those of head-wise convolutions, and of static ones (HEADS = 0).
//
// Of the compiler's options: ELEMENT (float or bf16), WIDTH (W), CHANNELS (neighbouring ones that a thread owns), HEADS
// (heads that they belong to), LANES (threads that share a head; 0 where they are no power of two up to 32), FILTER_PACK
// (elements of k read at a time), STATIC_WEIGHT (type of s; not defined where there is none), STATIC_PACK (its elements read at a
// time), RESIDUAL (0 or 1), PACKED (0 or 1).
#pragma once
#include "convolution.cuh"

static constexpr int FILTERS = HEADS * WIDTH;
static constexpr int PAST = WIDTH - 1;

#ifdef STATIC_WEIGHT
static constexpr bool HAS_STATIC = true;
typedef STATIC_WEIGHT StaticElement;
#else
static constexpr bool HAS_STATIC = false;
typedef float StaticElement;
#define STATIC_PACK 1
#endif

typedef Packet<ELEMENT, CHANNELS> Row;
typedef Packet<ELEMENT, FILTERS == 0 ? 1 : FILTERS> HeadRow;

// The filters' sources: k as rows of [B, T, H * W], s as W rows.
struct HeadWiseFilters
{
    Rows<const ELEMENT> heads;
    const StaticElement* static_weight;
    int64 static_stride;
    int64 head_size;

    // Where the filters of a thread's channels stand in a row of k.
    DEVICE int64 column(int64 channel) const
    {
        return HEADS == 0 ? 0 : LANES > 0 ? channel / (CHANNELS * LANES) * FILTERS : channel / head_size * WIDTH;
    }
};

// What the filters of a thread's channels have in common at all tokens: the static weight and 1 for the residual. It stays
// packed until it is needed.
struct StaticTaps
{
    Packet<StaticElement, CHANNELS> rows[WIDTH];

    DEVICE void load(const HeadWiseFilters& filters, int64 channel)
    {
        if constexpr (HAS_STATIC)
        {
#pragma unroll
            for (int w = 0; w < WIDTH; w++)
            {
                const StaticElement* from = filters.static_weight + w * filters.static_stride + channel;
                rows[w] = Packet<StaticElement, CHANNELS>::template load<STATIC_PACK>(from);
            }
        }
    }

    DEVICE float at(int w, int c) const
    {
        float residual = RESIDUAL && w == 0 ? 1.f : 0.f;
        return !HAS_STATIC ? residual : RESIDUAL && w == 0 ? residual + rows[w][c] : rows[w][c];
    }
};

DEVICE HeadRow load_heads(const ELEMENT* from)
{
    if constexpr (HEADS == 0)
    {
        return HeadRow{};
    }
    else
    {
        return HeadRow::template load<FILTER_PACK>(from);
    }
}

// Tap w of the filter of the thread's channel c.
DEVICE float tap(float static_weight, const HeadRow& heads, int w, int c)
{
    if constexpr (HEADS == 0)
    {
        return static_weight;
    }
    else
    {
        float own = heads[c * HEADS / CHANNELS * WIDTH + w];
        return HAS_STATIC || (RESIDUAL && w == 0) ? own + static_weight : own;
    }
}

// The rows before token t of a batch entry, whose own row is at `from` and whose sequence has `position` tokens before it:
// so many rows of x and then those of the initial state, or zeros. Row w stands w tokens before; row 0 is left alone.
DEVICE void load_before(
    Row (&before)[WIDTH], const ELEMENT* from, const Rows<const ELEMENT>& x, const Rows<const ELEMENT>& state,
    const Sequences& sequences, int64 batch, int64 t, int64 channel, int position)
{
    if (position >= PAST)
    {
#pragma unroll
        for (int w = 1; w < WIDTH; w++)
        {
            from -= x.time_stride;
            before[w] = Row::load(from);
        }

        return;
    }

    int64 sequence = PACKED ? sequences.index(batch, t) : batch;
    const ELEMENT* state_from = state.at(sequence, PAST + position) + channel;
#pragma unroll
    for (int w = 1; w < WIDTH; w++)
    {
        from -= x.time_stride;
        state_from -= state.time_stride;
        before[w] = w <= position            ? Row::load(from)
                    : state.first != nullptr ? Row::load(state_from)
                                             : Row{};
    }
}
