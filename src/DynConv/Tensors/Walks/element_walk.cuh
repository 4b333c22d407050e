// What ops share that take each element by itself, over tensors of one shape and any strides.
//
// VECTOR elements make a chunk: 16 bytes of the narrowest tensor, moved in one access, or two of a wider one; a single element
// where strides or addresses forbid that. A block of ELEMENT_THREADS threads handles ELEMENT_THREADS * ITEMS chunks that follow
// one another; a thread reads all its chunks before it writes the first.
#pragma once
#include "row_strides.cuh"

// The chunks of one launch: elements [start, start + chunks * VECTOR) of each row.
struct ElementWalk
{
    int64 rows;
    int64 chunks;
    int64 start;
    RowStrides layout;

    template <int TENSORS>
    DEVICE void find(uint64 chunk, int64 (&at)[TENSORS]) const
    {
        uint64 row = rows == 1 ? 0 : quotient(chunk, chunks);
        layout.find(row, at);
        int64 element = start + (int64)(chunk - row * chunks) * VECTOR;
#pragma unroll
        for (int t = 0; t < TENSORS; t++)
        {
            at[t] += VECTOR == 1 ? element * layout.inner[t] : element;
        }
    }
};

// Runs an op over all chunks. The op has a number of TENSORS; `load`, which reads an Input at the chunk's offsets; and
// `store`, which computes and writes.
template <class Op>
DEVICE void run_elements(const ElementWalk& walk, const Op& op)
{
    typename Op::Input inputs[ITEMS];
    int64 at[ITEMS][Op::TENSORS];
    uint64 first = (uint64)blockIdx.x * (ELEMENT_THREADS * ITEMS) + threadIdx.x;
    uint64 count = (uint64)walk.rows * walk.chunks;
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
    {
        if (first + i * ELEMENT_THREADS < count)
        {
            walk.find(first + i * ELEMENT_THREADS, at[i]);
            inputs[i] = op.load(at[i]);
        }
    }

#pragma unroll
    for (int i = 0; i < ITEMS; i++)
    {
        if (first + i * ELEMENT_THREADS < count)
        {
            op.store(at[i], inputs[i]);
        }
    }
}
