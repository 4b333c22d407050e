// What the kernels of the gated delta rule share. A block takes COLUMNS columns of the state of one value head of one sequence;
// LANES lanes share a column, each with every LANES-th of its rows in registers, ROWS of them; rows and columns behind the last
// are zero and stay so.
//
// Macros: ELEMENT (of q, k, v), LANES and COLUMNS (powers of two, whole warps), ROWS (LANES * ROWS is at least the key size).
#pragma once
#include "heads.cuh"

typedef ELEMENT Element;

static constexpr int CHUNK = 64;
static constexpr int THREADS = LANES * COLUMNS;

// `bounds` is null or holds, for packed sequences, where they begin and end.
struct DeltaShape
{
    const int64* bounds;
    int64 sequences, time;
    int key_heads, value_heads, key_size, value_size;
    float scale;

    DEVICE int slabs() const { return (value_size + COLUMNS - 1) / COLUMNS; }
};

// What a thread works on.
struct DeltaPlace
{
    int64 sequence, batch, begin, end, chunk;
    int head, key_head, slab, column, lane;

    DEVICE DeltaPlace(const DeltaShape& shape, int64 block)
    {
        int slabs = shape.slabs();
        slab = (int)(block % slabs);
        head = (int)(block / slabs % shape.value_heads);
        sequence = block / slabs / shape.value_heads;
        key_head = head / (shape.value_heads / shape.key_heads);
        column = slab * COLUMNS + threadIdx.x / LANES;
        lane = threadIdx.x % LANES;
        batch = shape.bounds == nullptr ? sequence : 0;
        begin = shape.bounds == nullptr ? 0 : shape.bounds[sequence];
        end = shape.bounds == nullptr ? shape.time : shape.bounds[sequence + 1];

        // A sequence of n tokens has at most one chunk more than n / CHUNK: the places of no two overlap.
        chunk = (batch * shape.time + begin) / CHUNK + sequence;
    }

    DEVICE int row(int r) const { return r * LANES + lane; }
};

typedef float Column[ROWS];

// The element of a row of keys or queries that belongs to each row of the state.
DEVICE void load_row(Column& to, const Element* from, const DeltaPlace& place, const DeltaShape& shape)
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
    {
        to[r] = place.row(r) < shape.key_size ? to_float(from[place.row(r)]) : 0.f;
    }
}

// States are [place, value head, key size, value size]; null stands for zeros.
DEVICE void load_state(Column& to, const float* states, int64 at, const DeltaPlace& place, const DeltaShape& shape)
{
    const float* from = states + (at * shape.value_heads + place.head) * shape.key_size * shape.value_size + place.column;
#pragma unroll
    for (int r = 0; r < ROWS; r++)
    {
        bool is_there = states != nullptr && place.row(r) < shape.key_size && place.column < shape.value_size;
        to[r] = is_there ? from[(int64)place.row(r) * shape.value_size] : 0.f;
    }
}

DEVICE void store_state(const Column& state, float* states, int64 at, const DeltaPlace& place, const DeltaShape& shape)
{
    float* to = states + (at * shape.value_heads + place.head) * shape.key_size * shape.value_size + place.column;
#pragma unroll
    for (int r = 0; r < ROWS; r++)
    {
        if (place.row(r) < shape.key_size && place.column < shape.value_size)
        {
            to[(int64)place.row(r) * shape.value_size] = state[r];
        }
    }
}

// a . b over all rows of a column; each of its lanes gets it.
DEVICE float column_product(const Column& a, const Column& b)
{
    float sum = 0.f;
#pragma unroll
    for (int r = 0; r < ROWS; r++)
    {
        sum = fused_multiply_add(a[r], b[r], sum);
    }

#pragma unroll
    for (int mask = LANES / 2; mask > 0; mask /= 2)
    {
        sum += shuffle_xor(sum, mask);
    }

    return sum;
}

DEVICE void scale_column(Column& column, float factor)
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
    {
        column[r] *= factor;
    }
}

// column += factor * by
DEVICE void add_to_column(Column& column, const Column& by, float factor)
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
    {
        column[r] = fused_multiply_add(by[r], factor, column[r]);
    }
}
