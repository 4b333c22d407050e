// What the kernels of state space duality share.
//
// A chunk is CHUNK tokens of a sequence, counted from its start, or what is left of it; a place is a number for one, as in
// TokenChunks.cs. With G the sums of dt a up to each token of a chunk and S [N, P] the state before it,
//
//   y_i = e^{G_i} Sᵀ c_i + Σ_{j<=i} e^{G_i-G_j} dt_j (c_i . b_j) x_j + D x_i,   S <- e^{G_C} S + Σ_j e^{G_C-G_j} dt_j b_j x_jᵀ,
//
// which are products of tiles: CHUNK rows (tokens, or elements of the state) by CHUNK columns, or by COLUMNS channels of a head.
// A state is [N, P] in these kernels, so that its rows are shared out like tokens, and [P, N] where callers see it.
//
// A block has four warps, each of which owns 16 rows of every result and holds them as tiles.cuh says. Factors are tiles in shared
// memory: of bfloat16 for tensor cores, or of floats. Rows and columns behind the last are zeros there.
//
// Macros: ELEMENT (of x, b, c), COLUMNS (16, 32 or 64), VECTOR (elements of x, y and their gradients that are aligned: 16 bytes of
// them, or 1), ROW_VECTOR (the same of b and c).
#pragma once
#include "heads.cuh"
#include "tiles.cuh"

typedef ELEMENT Element;

static constexpr int CHUNK = 64;
static constexpr int THREADS = 128;
static constexpr int WIDE = 16 / (int)sizeof(Element); // elements of the widest access
static constexpr int EIGHTHS = CHUNK / 8;
static constexpr int COLUMN_EIGHTHS = COLUMNS / 8;

extern __shared__ Bits128 shared_memory[];

// `bounds` is null or holds, for packed sequences, where they begin and end.
struct SsdShape
{
    const int64* bounds;
    int64 sequences, time;
    int heads, groups, head_size, state_size;

    // Tokens are counted through all batch entries.
    DEVICE int64 begin(int64 sequence) const { return bounds == nullptr ? sequence * time : bounds[sequence]; }
    DEVICE int64 tokens() const { return bounds == nullptr ? sequences * time : time; }
    DEVICE int64 first_place(int64 sequence) const { return begin(sequence) / CHUNK + sequence; }
    DEVICE int64 places() const { return tokens() / CHUNK + sequences; }
    DEVICE int heads_a_group() const { return heads / groups; }
    DEVICE int state_pieces() const { return (state_size + CHUNK - 1) / CHUNK; }

    // One at least: heads without channels have gradients of their steps.
    DEVICE int head_pieces() const { return maximum(1, (head_size + COLUMNS - 1) / COLUMNS); }

    // States between chunks are [place, head, N, width], whose rows begin at multiples of 16 bytes and end in zeros.
    DEVICE int width() const { return (head_size + 7) / 8 * 8; }
    DEVICE int64 state_at(int64 place, int head, int n, int p) const
    {
        return ((place * heads + head) * state_size + n) * width() + p;
    }
};

// The tokens of a chunk: the first of them within its batch entry.
struct ChunkTokens
{
    int64 place, batch, first;
    int count;

    DEVICE ChunkTokens(const SsdShape& shape, int64 sequence, int64 chunk)
    {
        int64 begin = shape.begin(sequence) + chunk * CHUNK;
        place = shape.first_place(sequence) + chunk;
        batch = shape.bounds == nullptr ? sequence : 0;
        first = begin - batch * shape.time;
        count = (int)minimum<int64>(CHUNK, maximum<int64>(0, shape.begin(sequence + 1) - begin));
    }

    // The chunk at a place; without tokens where the place is left over.
    DEVICE static ChunkTokens at(const SsdShape& shape, int64 place)
    {
        int64 low = 0, high = shape.sequences - 1;
        while (low < high)
        {
            int64 middle = (low + high + 1) / 2;
            if (shape.first_place(middle) <= place)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return ChunkTokens(shape, low, place - shape.first_place(low));
    }

    DEVICE int64 token(const SsdShape& shape, int i) const { return batch * shape.time + first + i; }

    // The row of a head at the first token.
    template <typename E>
    DEVICE E* in(const HeadRows<E>& rows, int head) const { return rows.at(batch, first, head); }
};

// Elements from one row of a tile to the next: rows that are read together lie in different banks.
template <typename E> DEVICE constexpr int pitch_of(int columns) { return sizeof(E) == 2 ? tile_pitch(columns) : columns + 4; }

// Rows on their way to a tile of CHUNK rows, by way of this thread's registers; zeros behind the last row and column.
template <int Columns, int Vector>
struct RowsOnTheWay
{
    typedef Packet<Element, Vector> Piece;

    static constexpr int PerRow = Columns / Vector;
    static constexpr int Count = CHUNK * PerRow / THREADS;
    static constexpr int AtOnce = THREADS / PerRow; // rows, where pieces are wide

    Piece pieces[Count];

    DEVICE static int row(int i) { return (i * THREADS + threadIdx.x) / PerRow; }
    DEVICE static int column(int i) { return (i * THREADS + threadIdx.x) % PerRow * Vector; }

    DEVICE void load(const Element* from, int64 stride, int rows, int columns)
    {
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            pieces[i] = row(i) < rows && column(i) < columns ? Piece::load(from + row(i) * stride + column(i)) : Piece{};
        }
    }

    // Writes each row times its factor.
    DEVICE void store_scaled(Element* tile, const float* factors) const
    {
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            float values[Vector];
#pragma unroll
            for (int k = 0; k < Vector; k++)
            {
                values[k] = factors[row(i)] * pieces[i][k];
            }

            Piece::of(values).store(tile + row(i) * pitch_of<Element>(Columns) + column(i));
        }
    }
};

// Starts to copy rows to a tile of CHUNK rows; zeros behind the last row and column. They are there after copies_arrive.
template <int Columns, int Vector>
DEVICE void start_tile(Element* tile, const Element* from, int64 stride, int rows, int columns)
{
    typedef RowsOnTheWay<Columns, Vector> Rows;
    if constexpr (Vector > 1)
    {
        int row = Rows::row(0);
        bool is_there = Rows::column(0) < columns;
        Element* to = tile + row * pitch_of<Element>(Columns) + Rows::column(0);
        const Element* at = from + row * stride + Rows::column(0);
#pragma unroll
        for (int i = 0; i < Rows::Count; i++)
        {
            bool valid = is_there && row + i * Rows::AtOnce < rows;
            copy_async16(to + i * Rows::AtOnce * pitch_of<Element>(Columns), valid ? at : from, valid);
            at = advance(at, Rows::AtOnce * stride * (int64)sizeof(Element));
        }
    }
    else
    {
        // As many at a time as registers are well spent on.
        constexpr int together = Rows::Count < 8 ? Rows::Count : 8;
#pragma unroll 1
        for (int first = 0; first < Rows::Count; first += together)
        {
            typename Rows::Piece pieces[together];
#pragma unroll
            for (int i = 0; i < together; i++)
            {
                int row = Rows::row(first + i), column = Rows::column(first + i);
                pieces[i] = row < rows && column < columns ? Rows::Piece::load(from + row * stride + column) : typename Rows::Piece{};
            }

#pragma unroll
            for (int i = 0; i < together; i++)
            {
                pieces[i].store(tile + Rows::row(first + i) * pitch_of<Element>(Columns) + Rows::column(first + i));
            }
        }
    }
}

// Waits for all copies but those of the latest commits.
template <int Pending = 0>
DEVICE void copies_arrive()
{
    copy_async_wait<Pending>();
    block_barrier();
}

// d += left right over Depth columns of the left factor. The left one is [CHUNK, Depth] in shared memory or, LeftDown, [Depth, CHUNK];
// the right one [8 Eighths, Depth] or, RightDown, [Depth, 8 Eighths].
template <bool LeftDown, bool RightDown, int Depth, int Eighths>
DEVICE void multiply(float (&d)[Eighths][4], const bf16* left, const bf16* right)
{
    static_assert(Depth % 16 == 0 && Eighths % 2 == 0, "tiles are read in pairs");
    constexpr int left_pitch = pitch_of<bf16>(LeftDown ? CHUNK : Depth);
    constexpr int right_pitch = pitch_of<bf16>(RightDown ? 8 * Eighths : Depth);
    int row = threadIdx.x / WARP * 16;
    int lane = threadIdx.x % WARP;
    left += LeftDown ? (lane / 16 * 8 + lane % 8) * left_pitch + lane % 16 / 8 * 8 + row : (row + lane % 16) * left_pitch + lane / 16 * 8;
    right += RightDown ? lane % 16 * right_pitch + lane / 16 * 8 : (lane / 16 * 8 + lane % 8) * right_pitch + lane % 16 / 8 * 8;
#pragma unroll
    for (int step = 0; step < Depth / 16; step++)
    {
        uint32 a[4];
        if constexpr (LeftDown)
        {
            load_matrices_transposed(a, left + step * 16 * left_pitch);
        }
        else
        {
            load_matrices(a, left + step * 16);
        }

#pragma unroll
        for (int n = 0; n < Eighths; n += 2)
        {
            uint32 b[4];
            if constexpr (RightDown)
            {
                load_matrices_transposed(b, right + step * 16 * right_pitch + n * 8);
            }
            else
            {
                load_matrices(b, right + n * 8 * right_pitch + step * 16);
            }

            multiply_tiles(d[n], a, b[0], b[1], d[n]);
            multiply_tiles(d[n + 1], a, b[2], b[3], d[n + 1]);
        }
    }
}

template <bool LeftDown, bool RightDown, int Depth, int Eighths>
DEVICE void multiply(float (&d)[Eighths][4], const float* left, const float* right)
{
    constexpr int left_pitch = pitch_of<float>(LeftDown ? CHUNK : Depth);
    constexpr int right_pitch = pitch_of<float>(RightDown ? 8 * Eighths : Depth);
    int row = threadIdx.x / WARP * 16 + lane_row();
    int column = lane_column();
#pragma unroll 4
    for (int k = 0; k < Depth; k++)
    {
        float upper = LeftDown ? left[k * left_pitch + row] : left[row * left_pitch + k];
        float lower = LeftDown ? left[k * left_pitch + row + 8] : left[(row + 8) * left_pitch + k];
#pragma unroll
        for (int n = 0; n < Eighths; n++)
        {
            float even = RightDown ? right[k * right_pitch + 8 * n + column] : right[(8 * n + column) * right_pitch + k];
            float odd = RightDown ? right[k * right_pitch + 8 * n + column + 1] : right[(8 * n + column + 1) * right_pitch + k];
            d[n][0] = fused_multiply_add(upper, even, d[n][0]);
            d[n][1] = fused_multiply_add(upper, odd, d[n][1]);
            d[n][2] = fused_multiply_add(lower, even, d[n][2]);
            d[n][3] = fused_multiply_add(lower, odd, d[n][3]);
        }
    }
}

// Calls use(value, row, column, n, k) for each element d[n][k] of a result that this thread holds: of its upper row where k < 2.
template <int Eighths, typename Use>
DEVICE void each_numbered(float (&d)[Eighths][4], const Use& use)
{
    int row = threadIdx.x / WARP * 16 + lane_row();
#pragma unroll
    for (int n = 0; n < Eighths; n++)
    {
#pragma unroll
        for (int k = 0; k < 4; k++)
        {
            use(d[n][k], row + k / 2 * 8, n * 8 + lane_column() + k % 2, n, k);
        }
    }
}

// The same as use(value, row, column).
template <int Eighths, typename Use>
DEVICE void each(float (&d)[Eighths][4], const Use& use)
{
    each_numbered(d, [&](float& value, int row, int column, int, int) { use(value, row, column); });
}

// Writes a result's first rows and columns; in pairs, where all begin at even places.
template <bool InPairs, int Eighths>
DEVICE void store_result(Element* to, int64 stride, const float (&d)[Eighths][4], int rows, int columns)
{
    int first = threadIdx.x / WARP * 16 + lane_row();
#pragma unroll
    for (int n = 0; n < Eighths; n++)
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            int row = first + half * 8;
            int column = n * 8 + lane_column();
            if constexpr (InPairs)
            {
                float pair[2] = {d[n][2 * half], d[n][2 * half + 1]};
                if (row < rows && column < columns)
                {
                    Packet<Element, 2>::of(pair).store(to + row * stride + column);
                }
            }
            else
            {
#pragma unroll
                for (int k = 0; k < 2; k++)
                {
                    if (row < rows && column + k < columns)
                    {
                        to[row * stride + column + k] = from_float<Element>(d[n][2 * half + k]);
                    }
                }
            }
        }
    }
}

// Leaves the sums over columns, of which this thread has summed its own of either row, in shared memory.
DEVICE void leave_row_sums(float (&to)[CHUNK], float (&sums)[2])
{
#pragma unroll
    for (int half = 0; half < 2; half++)
    {
        sums[half] += shuffle_xor(sums[half], 1);
        sums[half] += shuffle_xor(sums[half], 2);
        if (threadIdx.x % 4 == 0)
        {
            to[threadIdx.x / WARP * 16 + lane_row() + half * 8] = sums[half];
        }
    }
}

// Rounds a result to a tile.
template <int Eighths>
DEVICE void round_result(Element* tile, float (&d)[Eighths][4])
{
    each(d, [&](float value, int row, int column) { tile[row * pitch_of<Element>(8 * Eighths) + column] = from_float<Element>(value); });
}

// How a chunk's tokens decay, for one head; ssd_decays.cu fills in [place, head] of these. Tokens behind the last have steps of 0.
struct alignas(16) ChunkDecays
{
    // G_i as a sum of two floats: behind a token that forgets much, differences of single ones would have lost the small decays.
    float high[CHUNK];
    float low[CHUNK];
    float dt[CHUNK];
    float from_start[CHUNK]; // e^{G_i}
    float to_end[CHUNK];     // e^{G_C-G_j}
    float to_state[CHUNK];   // e^{G_C-G_j} dt_j

    DEVICE float whole() const { return from_start[CHUNK - 1]; }

    // e^{G_i-G_j} for j up to i, else 0.
    DEVICE float between(int i, int j) const { return j <= i ? exp_of((high[i] - high[j]) + (low[i] - low[j])) : 0.f; }
};

// Starts to copy decays to shared memory.
DEVICE void start_decays(ChunkDecays& to, const ChunkDecays* decays, const SsdShape& shape, int64 place, int head)
{
    constexpr int pieces = sizeof(ChunkDecays) / sizeof(Bits128);
    static_assert(pieces <= THREADS, "a piece a thread");
    if (threadIdx.x < pieces)
    {
        const ChunkDecays* from = decays + place * shape.heads + head;
        copy_async16(reinterpret_cast<Bits128*>(&to) + threadIdx.x, reinterpret_cast<const Bits128*>(from) + threadIdx.x);
    }
}

// The sum of the values of all threads before this one; `scratch` has one float a warp of shared memory, and may be used again
// after the next barrier.
DEVICE float sum_before(float value, float* scratch)
{
    int lane = threadIdx.x % WARP;
    float sum = value;
#pragma unroll
    for (int distance = 1; distance < WARP; distance *= 2)
    {
        float other = shuffle(sum, maximum(0, lane - distance));
        sum += lane >= distance ? other : 0.f;
    }

    if (lane == WARP - 1)
    {
        scratch[threadIdx.x / WARP] = sum;
    }

    float before = shuffle(sum, maximum(0, lane - 1));
    before = lane > 0 ? before : 0.f;
    block_barrier();
    float warps = 0.f;
    for (int w = 0; w < threadIdx.x / WARP; w++)
    {
        warps += scratch[w];
    }

    return warps + before;
}
