// The tokens of each id, one after the other and in their own order: what the gradient of a table of rows sums over.
//
// Atomic counters give every token a slot among those of its id, whichever comes first, and every id a stretch of one
// list; ranks then put each stretch in order, so that the result does not depend on who came first, but for where each
// stretch lies. An id outside the table has no stretch. A thread owns a token; the four kernels run one after the other.
#include "prelude.cuh"

static constexpr int EMBEDDING_THREADS = 256;
static constexpr uint32 NOWHERE = 0xffffffffu;

// slots[n]: how many tokens with the id of n had come before it when it came. `counts` is zero before.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
    embedding_count(const int* ids, int64 tokens, int64 table_rows, uint32* counts, uint32* slots)
{
    after_earlier_launches();
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
    after_earlier_launches();
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
    after_earlier_launches();
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
    after_earlier_launches();
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
