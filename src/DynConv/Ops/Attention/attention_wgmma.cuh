// What the attention kernels of compute capability 9.0 share. Heads have HEAD channels, a multiple of 8, which copies pad with
// zeros to CHANNELS, 64 or 128. The first warpgroup of a block fetches; the others, WARPGROUPS of them, compute.
#pragma once
#include "attention.cuh"
#include "warpgroup.cuh"

static constexpr int CHANNELS = (HEAD + TILE_COLUMNS - 1) / TILE_COLUMNS * TILE_COLUMNS;
static constexpr int THREADS = (1 + WARPGROUPS) * WARPGROUP;
static constexpr int COMPUTE_WARPS = WARPGROUPS * 4;

// All 64 K registers of a multiprocessor, most of them for those who compute.
static constexpr int FETCH_REGISTERS = WARPGROUPS == 3 ? 32 : 24;
static constexpr int COMPUTE_REGISTERS = WARPGROUPS == 3 ? 160 : 240;

#ifdef QUERIES
// A tile's sums of dq are in units of 64 queries by 64 channels: whether its units are queries of the same channels or channels of
// the same queries.
static constexpr bool UNITS_ARE_QUERIES = QUERIES > 64;
static_assert(QUERIES * CHANNELS == WARPGROUPS * 64 * TILE_COLUMNS, "a unit of dq a warpgroup");
#endif

extern __shared__ Bits128 shared_memory[];

// Which warpgroup of those that compute a thread belongs to, and its place there.
DEVICE int warpgroup() { return (int)threadIdx.x / WARPGROUP - 1; }

// A thread's first row of its warpgroup's 64; the second is 8 further on.
DEVICE int warpgroup_row() { return (int)threadIdx.x % WARPGROUP / WARP * 16 + lane_row(); }

// A place in a ring of stages, and in which round.
template <int Stages>
struct Ring
{
    int stage = 0;
    int round = 0;

    DEVICE void advance()
    {
        if (++stage == Stages)
        {
            stage = 0;
            round ^= 1;
        }
    }
};

// Barriers of a ring: of copies that one thread starts, and of what all warps that compute have read.
template <int Stages>
DEVICE void start_ring(uint64* there, uint64* used)
{
    for (int i = 0; i < Stages; i++)
    {
        start_barrier(there + i, 1);
        start_barrier(used + i, COMPUTE_WARPS);
    }
}

// A warp has read a stage.
DEVICE void release(uint64* used)
{
    warp_barrier();
    if (threadIdx.x % WARP == 0)
    {
        arrive(used);
    }
}

// Starts to copy Rows rows of a head from row `first` on to tiles in shared memory.
template <int Rows>
DEVICE void fetch_rows(bf16* tiles, const TensorMap* rows, int first, int head, int batch, uint64* barrier)
{
#pragma unroll
    for (int i = 0; i < CHANNELS / TILE_COLUMNS; i++)
    {
        copy_box(tiles + i * Rows * TILE_COLUMNS, rows, i * TILE_COLUMNS, first, head, batch, barrier);
    }
}

// Hides what lies outside of columns from .. to - 1 of a thread's first or second row.
template <int Count>
DEVICE void hide_columns(float (&d)[Count], int half, int from, int to)
{
#pragma unroll
    for (int n = 0; n < Count / 4; n++)
    {
#pragma unroll
        for (int e = 0; e < 2; e++)
        {
            int column = 8 * n + lane_column() + e;
            float& score = d[4 * n + 2 * half + e];
            score = column >= from && column < to ? score : -infinity();
        }
    }
}

// Rotary position embeddings: for each position the cosines of its HEAD / 2 angles, then the sines, and the position of each token,
// or null where the tokens of each row stand at 0, 1, ...
struct Rotary
{
    const float* angles;
    const int* positions;

    DEVICE const float* of(int batch, int tokens, int token) const
    {
        return angles + (int64)(positions ? positions[(int64)batch * tokens + token] : token) * HEAD;
    }
};

// Turns a pair of channels back by its angle.
DEVICE void turn_back(float& first, float& second, float cosine, float sine)
{
    float turned = fused_multiply_add(first, cosine, second * sine);
    second = fused_multiply_add(second, cosine, -(first * sine));
    first = turned;
}

// Writes a thread's part of a row, `half` the first or the second of its two, or adds it to what is there.
template <int Count>
DEVICE void put_row(bf16* row, const float (&d)[Count], int half, float factor, bool accumulate)
{
    bool in_pairs = (uint64)row % sizeof(uint32) == 0;
#pragma unroll
    for (int n = 0; n < Count / 4; n++)
    {
        if (n * 8 < HEAD)
        {
            bf16* to = row + n * 8 + lane_column();
            float low = d[4 * n + 2 * half] * factor;
            float high = d[4 * n + 2 * half + 1] * factor;
            if (in_pairs && !accumulate)
            {
                *reinterpret_cast<uint32*>(to) = pack_bf16(low, high);
            }
            else
            {
                put(to, low, accumulate);
                put(to + 1, high, accumulate);
            }
        }
    }
}
