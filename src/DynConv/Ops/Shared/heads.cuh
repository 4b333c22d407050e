// Tensors of heads as kernels see them.
#pragma once
#include "row_strides.cuh"

// A [batch, time, head, channel] tensor with the channels of a head side by side, or one of [batch, time, head].
template <typename E>
struct HeadRows
{
    E* start;
    int64 batch, time, head;

    DEVICE E* of(int b, int h) const { return start + b * batch + h * head; }
    DEVICE E* at(int64 b, int64 t, int64 h) const { return start + b * batch + t * time + h * head; }
};

// Which head of which token row number `row` is, where heads follow one another within tokens and tokens within batch entries, and the
// token's position: `positions` holds those of all tokens, or is null where each batch entry's are 0, 1, ...
struct HeadPlace
{
    int64 batch, token, head, position;

    DEVICE static HeadPlace of(uint64 row, int64 heads, int64 tokens, const int* positions)
    {
        HeadPlace at;
        uint64 place = quotient(row, heads);
        at.head = (int64)(row - place * heads);
        at.batch = (int64)quotient(place, tokens);
        at.token = (int64)place - at.batch * tokens;
        at.position = positions == nullptr ? at.token : positions[place];
        return at;
    }

    template <typename E>
    DEVICE E* in(const HeadRows<E>& rows) const { return rows.at(batch, token, head); }
};
