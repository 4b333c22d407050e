// Rows of a table picked by ids: a thread copies VECTOR elements of a row.
#include "row_strides.cuh"

static constexpr int EMBEDDING_THREADS = 256;

typedef Packet<TABLE, VECTOR> TableChunk;
typedef Packet<TYPE, VECTOR> Chunk;

// y[n, :] = table[ids[n], :], and NaN where there is no such row.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS) embedding_forward(
    const TABLE* table, int64 table_stride, int64 table_rows, const int* ids, int64 tokens, int64 columns, TYPE* y)
{
    after_earlier_launches();
    uint64 item = (uint64)blockIdx.x * EMBEDDING_THREADS + threadIdx.x;
    int64 token = (int64)quotient(item, columns / VECTOR);
    int64 column = ((int64)item - token * (columns / VECTOR)) * VECTOR;
    if (token >= tokens)
    {
        return;
    }

    int id = ids[token];
    bool known = id >= 0 && id < table_rows;
    auto row = TableChunk::load(table + (known ? id : 0) * table_stride + column);
    float values[VECTOR];
#pragma unroll
    for (int k = 0; k < VECTOR; k++)
    {
        values[k] = known ? row[k] : float_of_bits(0x7fc00000u);
    }

    Chunk::of(values).store(y + token * columns + column);
}
