// Rows of a table picked by ids.
//
// Forward: a thread copies VECTOR elements of a row.
//
// Backward: the gradient of a table row is the sum of the rows of dy whose ids name it, in the order of the tokens. The
// tokens of an id have to be found first: atomic counters give every token a place among those of its id (whichever
// comes first), every id a stretch of one list, and ranks then put each stretch in order, so that the sums do not depend
// on who came first. An id outside the table has no place and no gradient.
#include "elements.cuh"

static constexpr int EMBEDDING_THREADS = 256;
static constexpr uint32 NOWHERE = 0xffffffffu;

#if defined(TABLE)
typedef Elements<TABLE, VECTOR> TableChunk;
typedef Elements<TYPE, VECTOR> Chunk;

// y[n, :] = table[ids[n], :], and NaN where there is no such row.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS) embedding_forward(
    const TABLE* table, int64 table_stride, int64 table_rows, const int* ids, int64 tokens, int64 columns, TYPE* y)
{
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
#endif

// slots[n]: how many tokens with the id of n had come before it when it came. `counts` is zero before.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
    embedding_count(const int* ids, int64 tokens, int64 table_rows, uint32* counts, uint32* slots)
{
    int64 n = (int64)blockIdx.x * EMBEDDING_THREADS + threadIdx.x;
    if (n < tokens)
    {
        int id = ids[n];
        slots[n] = id >= 0 && id < table_rows ? fetch_add(counts + id, 1) : NOWHERE;
    }
}

// starts[id]: where the stretch of the id begins in the list. A warp takes room for all its ids at once; the token in
// slot 0 speaks for its id. `taken` is zero before.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS) embedding_place(
    const int* ids, int64 tokens, const uint32* counts, const uint32* slots, uint32* starts, uint32* taken)
{
    int64 n = (int64)blockIdx.x * EMBEDDING_THREADS + threadIdx.x;
    int lane = threadIdx.x % WARP;
    bool speaks = n < tokens && slots[n] == 0;
    uint32 count = speaks ? counts[ids[n]] : 0;
    uint32 end = count;
#pragma unroll
    for (int distance = 1; distance < WARP; distance *= 2)
    {
        uint32 before = shuffle(end, maximum(lane - distance, 0));
        end += lane >= distance ? before : 0;
    }

    uint32 start = lane == WARP - 1 ? fetch_add(taken, end) : 0;
    start = shuffle(start, WARP - 1) + end - count;
    if (speaks)
    {
        starts[ids[n]] = start;
    }
}

// The tokens of each id, in the order of their slots.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
    embedding_list(const int* ids, int64 tokens, const uint32* slots, const uint32* starts, uint32* list)
{
    int64 n = (int64)blockIdx.x * EMBEDDING_THREADS + threadIdx.x;
    if (n < tokens && slots[n] != NOWHERE)
    {
        list[starts[ids[n]] + slots[n]] = (uint32)n;
    }
}

// The tokens of each id, in their own order: a token's rank is the number of earlier tokens in the stretch.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS) embedding_order(
    const int* ids,
    int64 tokens,
    const uint32* slots,
    const uint32* counts,
    const uint32* starts,
    const uint32* list,
    uint32* ordered)
{
    int64 n = (int64)blockIdx.x * EMBEDDING_THREADS + threadIdx.x;
    if (n >= tokens || slots[n] == NOWHERE)
    {
        return;
    }

    const uint32* stretch = list + starts[ids[n]];
    uint32 count = counts[ids[n]];
    uint32 rank = 0;
#pragma unroll 8
    for (uint32 i = 0; i < count; i++)
    {
        rank += stretch[i] < (uint32)n;
    }

    ordered[starts[ids[n]] + rank] = (uint32)n;
}

#if defined(TARGET)
static constexpr int SUM_WARPS = 8;
static constexpr int COLUMNS = WARP * VECTOR;

// Rows that a warp fetches before it adds the first.
static constexpr int BATCH = 4;

typedef Elements<TYPE, VECTOR> Upstream;

// target[id, :] += the sum of dy over the id's tokens. Block (n, p) works if token n speaks for its id, and on columns
// [p * COLUMNS, (p + 1) * COLUMNS): warp w sums tokens w, w + 8, ... of the stretch, and the warps' sums add up in order.
extern "C" __global__ void __launch_bounds__(SUM_WARPS * WARP) embedding_sum(
    const __grid_constant__ RowStrides layout,
    const TYPE* dy,
    const int* ids,
    const uint32* slots,
    const uint32* counts,
    const uint32* starts,
    const uint32* ordered,
    TARGET* target,
    int64 target_stride,
    int64 columns)
{
    __shared__ float sums[SUM_WARPS][VECTOR][WARP];
    if (slots[blockIdx.x] != 0)
    {
        return;
    }

    int id = ids[blockIdx.x];
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    int64 column = (int64)blockIdx.y * COLUMNS + lane * VECTOR;
    uint32 count = counts[id];
    const uint32* stretch = ordered + starts[id];
    float sum[VECTOR] = {};
    if (column < columns)
    {
        for (uint32 i = warp; i < count; i += SUM_WARPS * BATCH)
        {
            Upstream rows[BATCH];
#pragma unroll
            for (int r = 0; r < BATCH; r++)
            {
                if (i + r * SUM_WARPS < count)
                {
                    int64 at[1];
                    layout.find(stretch[i + r * SUM_WARPS], at);
                    rows[r] = Upstream::load(dy + at[0] + column);
                }
            }

#pragma unroll
            for (int r = 0; r < BATCH; r++)
            {
#pragma unroll
                for (int k = 0; k < VECTOR; k++)
                {
                    sum[k] += i + r * SUM_WARPS < count ? rows[r][k] : 0.f;
                }
            }
        }
    }

#pragma unroll
    for (int k = 0; k < VECTOR; k++)
    {
        sums[warp][k][lane] = sum[k];
    }

    block_barrier();
    if (warp > 0 || column >= columns)
    {
        return;
    }

    for (uint32 w = 1; w < minimum<uint32>(count, SUM_WARPS); w++)
    {
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            sum[k] += sums[w][k][lane];
        }
    }

    put_elements(target + id * target_stride + column, sum, true);
}
#endif
