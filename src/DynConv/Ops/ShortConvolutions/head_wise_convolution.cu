// Short convolutions whose filters are read: head-wise ones, and static ones (HEADS = 0).
//
//   forward    y[t] = sum_w f_w(t) x[t - w]                          with f_w(t) = k[t, head, w] + s[w] (+ 1 at w = 0)
//   backward   dx[t] = sum_w f_w(t + w) dy[t + w]
//              dk[t, head, w] = sum over the head's channels of dy[t] x[t - w],   ds[w] = sum_t dy[t] x[t - w]
//
// A warp takes a part of a batch entry's tokens and WARP * CHANNELS channels, CHANNELS of them a lane, and walks along
// the tokens: the rows that the filter reaches back to stay in registers, so that every row is read once (W - 1 rows are
// read again where a part begins, backward where it ends, too). Rows come through shared memory, where every lane copies
// its own channels AHEAD tokens before it needs them; no lane waits for another. A block's WARPS warps take successive
// parts of the same channels; blocks lie side by side along the channels first.
//
// Of the compiler's options: ELEMENT (float or bf16), WIDTH (W), CHANNELS, HEADS (heads that a lane's channels belong to),
// LANES (lanes that share a head, a power of two; 0: dk is not computed here), FILTER_PACK (elements of k read at a time),
// STATIC (type of s; not defined where there is none), RESIDUAL (0 or 1), PACKED (0 or 1), WARPS.
#include "convolution.cuh"

static constexpr int GROUP = WARP * CHANNELS;
static constexpr int THREADS = WARP * WARPS;
static constexpr int FILTERS = HEADS * WIDTH;

#ifdef STATIC
static constexpr bool HAS_STATIC = true;
typedef STATIC StaticElement;
#else
static constexpr bool HAS_STATIC = false;
typedef float StaticElement;
#endif

typedef Packet<ELEMENT, CHANNELS> Row;
typedef Packet<ELEMENT, FILTERS == 0 ? 1 : FILTERS> HeadRow;
typedef float Taps[WIDTH][CHANNELS];

// Tokens that a turn of the loop takes, and tokens under way.
static constexpr int TURN = 4;
#ifndef AHEAD
static constexpr int AHEAD = 8;
#endif

// A lane's elements of the next AHEAD tokens of one tensor.
template <int COUNT, int PACK>
struct Queue
{
    static constexpr int BYTES = PACK * sizeof(ELEMENT);
    static constexpr int PIECES = COUNT / PACK;

    struct alignas(BYTES) Piece { ELEMENT at[PACK]; };

    Piece pieces[AHEAD][PIECES][THREADS];

    // Starts to copy a token's elements. There is no copy of 2 bytes that runs on its own.
    DEVICE void push(int slot, const ELEMENT* from)
    {
#pragma unroll
        for (int i = 0; i < PIECES; i++)
        {
            Piece* to = &pieces[slot][i][threadIdx.x];
            if constexpr (BYTES == 16)
            {
                copy_async16(to, from + i * PACK);
            }
            else if constexpr (BYTES == 8)
            {
                copy_async8(to, from + i * PACK);
            }
            else if constexpr (BYTES == 4)
            {
                copy_async4(to, from + i * PACK);
            }
            else
            {
                *to = *reinterpret_cast<const Piece*>(from + i);
            }
        }
    }

    DEVICE Packet<ELEMENT, COUNT> take(int slot) const
    {
        Packet<ELEMENT, COUNT> packet;
#pragma unroll
        for (int i = 0; i < PIECES; i++)
        {
            packet.template set<PACK>(i * PACK, pieces[slot][i][threadIdx.x].at);
        }

        return packet;
    }
};

typedef Queue<CHANNELS, CHANNELS> RowQueue;

#if HEADS > 0
typedef Queue<FILTERS, FILTER_PACK> HeadQueue;
#else
struct HeadQueue
{
    DEVICE void push(int, const ELEMENT*) {}

    DEVICE HeadRow take(int) const { return HeadRow{}; }
};
#endif

// The filters' sources: k as rows of [B, T, H * W], s as W rows.
struct Filters
{
    Rows<const ELEMENT> heads;
    const StaticElement* constant;
    int64 constant_stride;
    int64 head_size;
};

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
    int64 stride;

    DEVICE Walk(const Rows<T>& rows, int64 b, int64 t, int64 column)
        : at(rows.at(b, t) + column), stride(rows.time_stride)
    {
    }

    DEVICE T* next()
    {
        T* here = at;
        at += stride;
        return here;
    }
};

// The static part of the lane's filters, with 1 for the residual.
DEVICE void load_constant(Taps& constant, const Filters& filters, const Part& part)
{
#pragma unroll
    for (int w = 0; w < WIDTH; w++)
    {
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            constant[w][c] = RESIDUAL && w == 0 ? 1.f : 0.f;
            if (HAS_STATIC)
            {
                constant[w][c] += to_float(filters.constant[w * filters.constant_stride + part.channel + c]);
            }
        }
    }
}

DEVICE int64 filter_column(const Filters& filters, const Part& part)
{
    return HEADS == 0 ? 0 : part.channel / filters.head_size * WIDTH;
}

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

// Tap w of the filter of the lane's channel c.
DEVICE float tap(const Taps& constant, const HeadRow& heads, int w, int c)
{
    if constexpr (HEADS == 0)
    {
        return constant[w][c];
    }
    else
    {
        float own = heads.at(c / (CHANNELS / HEADS) * WIDTH + w);
        return HAS_STATIC || (RESIDUAL && w == 0) ? own + constant[w][c] : own;
    }
}

DEVICE void unpack(float (&values)[CHANNELS], const Row& row)
{
#pragma unroll
    for (int c = 0; c < CHANNELS; c++)
    {
        values[c] = row.at(c);
    }
}

// Row w of the window becomes what lies w tokens before token t; row 0 is left alone.
DEVICE void load_window(
    Taps& window, const Rows<const ELEMENT>& x, const Rows<const ELEMENT>& state, const Sequences& sequences,
    const Part& part, int64 t)
{
#pragma unroll
    for (int w = 1; w < WIDTH; w++)
    {
        const ELEMENT* from = input_before<WIDTH>(x, state, sequences, part.batch, t, w);
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            window[w][c] = from == nullptr ? 0.f : to_float(from[part.channel + c]);
        }
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

// Whether a sequence other than the part's first begins at token i of the part.
DEVICE bool begins_sequence(const Sequences& sequences, const Part& part, int i)
{
    return PACKED && i > 0 && sequences.positions[part.begin + i] == 0;
}

// Takes every token of the part, whose rows lie in a slot of the queues.
template <typename Pass>
DEVICE void walk(Pass& pass, const Part& part)
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

#pragma unroll 1
    for (; i < part.length; i++)
    {
        pass.token(slot++, i);
    }
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

struct ForwardQueues
{
    RowQueue rows;
    HeadQueue heads;
};

struct ForwardPass
{
    const Rows<const ELEMENT>& x;
    const Rows<const ELEMENT>& state;
    const Sequences& sequences;
    const Part& part;
    ForwardQueues& queues;
    Walk<const ELEMENT> inputs;
    Walk<const ELEMENT> heads;
    Walk<ELEMENT> outputs;
    Taps constant;
    Taps window;

    DEVICE void push(int slot, int i)
    {
        if (i < part.length)
        {
            queues.rows.push(slot, inputs.next());
            queues.heads.push(slot, heads.next());
        }

        copy_async_commit();
    }

    DEVICE void token(int slot, int i)
    {
        copy_async_wait<AHEAD - 1>();
        unpack(window[0], queues.rows.take(slot));
        HeadRow own = queues.heads.take(slot);
        push(slot, i + AHEAD);
        if (begins_sequence(sequences, part, i))
        {
            load_window(window, x, state, sequences, part, part.begin + i);
        }

        float sums[CHANNELS];
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            sums[c] = tap(constant, own, 0, c) * window[0][c];
#pragma unroll
            for (int w = 1; w < WIDTH; w++)
            {
                sums[c] = fused_multiply_add(tap(constant, own, w, c), window[w][c], sums[c]);
            }
        }

        shift(window);
        ELEMENT* to = outputs.next();
        if (part.active)
        {
            Row::of(sums).store(to);
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) head_wise_forward(
    Rows<const ELEMENT> x, Filters filters, Rows<const ELEMENT> state, Rows<ELEMENT> y, Sequences sequences,
    int64 channels, int part_length, int64 parts)
{
    __shared__ ForwardQueues queues;
    Part part(sequences, channels, part_length, parts);
    if (part.length == 0)
    {
        return;
    }

    ForwardPass pass{
        x, state, sequences, part, queues,
        Walk<const ELEMENT>(x, part.batch, part.begin, part.channel),
        Walk<const ELEMENT>(filters.heads, part.batch, part.begin, filter_column(filters, part)),
        Walk<ELEMENT>(y, part.batch, part.begin, part.channel)};
    fill(pass, part);
    load_constant(pass.constant, filters, part);
    load_window(pass.window, x, state, sequences, part, part.begin);
    walk(pass, part);
}

// What the backward pass writes; a null pointer where nothing is wanted. `static_partials` is [blocks along tokens, W, D].
struct Gradients
{
    Rows<const ELEMENT> y;
    Rows<ELEMENT> x;
    Rows<ELEMENT> heads;
    float* static_partials;
    int accumulate_x;
    int accumulate_heads;
};


#if HEADS > 0 && LANES > 0
// How many of a lane's FILTERS sums are left to it when the lanes of a head have shared them out.
constexpr int sums_left()
{
    int left = FILTERS;
    for (int lanes = LANES; lanes > 1; lanes /= 2)
    {
        left = left % 2 == 0 ? left / 2 : left;
    }

    return left;
}

constexpr int SUMS = sums_left();
constexpr int SUM_PACK = FILTER_PACK < (SUMS & -SUMS) ? FILTER_PACK : SUMS & -SUMS;

// Sums over the LANES lanes of each head, by halves: while the number of values is even, a lane hands half of them over
// and keeps the other half. Values [0, SUMS) are then the sums number `first` and on; true where the lane is to write them.
template <int LEFT, int MASK>
DEVICE bool sum_lanes(float (&values)[FILTERS], int& first)
{
    if constexpr (MASK == 0)
    {
        return true;
    }
    else
    {
        bool upper = (threadIdx.x & MASK) != 0;
        if constexpr (LEFT % 2 == 0)
        {
            constexpr int half = LEFT / 2;
#pragma unroll
            for (int i = 0; i < half; i++)
            {
                float low = values[i];
                float high = values[half + i];
                values[i] = (upper ? high : low) + shuffle_xor(upper ? low : high, MASK);
            }

            first += upper ? half : 0;
            return sum_lanes<half, MASK / 2>(values, first);
        }
        else
        {
#pragma unroll
            for (int i = 0; i < LEFT; i++)
            {
                values[i] += shuffle_xor(values[i], MASK);
            }

            return sum_lanes<LEFT, MASK / 2>(values, first) && !upper;
        }
    }
}

// The gradient of a token's filters: products of the output's gradient and the inputs, summed over each head's channels.
DEVICE void store_heads(ELEMENT* to, const float (&dy)[CHANNELS], const Taps& window, bool active, bool accumulate)
{
    float values[FILTERS];
#pragma unroll
    for (int h = 0; h < HEADS; h++)
    {
#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            constexpr int size = CHANNELS / HEADS;
            float sum = dy[h * size] * window[w][h * size];
#pragma unroll
            for (int c = 1; c < size; c++)
            {
                sum = fused_multiply_add(dy[h * size + c], window[w][h * size + c], sum);
            }

            values[h * WIDTH + w] = sum;
        }
    }

    int first = 0;
    bool writes = sum_lanes<FILTERS, LANES / 2>(values, first);
    if (writes && active)
    {
        float sums[SUMS];
#pragma unroll
        for (int i = 0; i < SUMS; i++)
        {
            sums[i] = values[i];
        }

        put<SUM_PACK>(to + first, sums, accumulate);
    }
}
#endif

// The gradient of x as it grows: row w of `sums` belongs to the token w before the current one and lacks what the current
// and later tokens add.
struct PendingRows
{
    Taps sums;

    DEVICE void add(const Taps& constant, const HeadRow& heads, const float (&dy)[CHANNELS])
    {
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            sums[0][c] = tap(constant, heads, 0, c) * dy[c];
#pragma unroll
            for (int w = 1; w < WIDTH; w++)
            {
                sums[w][c] = fused_multiply_add(tap(constant, heads, w, c), dy[c], sums[w][c]);
            }
        }
    }

    // Writes row w.
    DEVICE void store(ELEMENT* to, const Gradients& gradients, const Part& part, int w)
    {
        if (part.active && gradients.x.first != nullptr)
        {
            put<CHANNELS>(to, sums[w], gradients.accumulate_x != 0);
        }
    }

    // Writes the rows of the part that come before its token i, whose sequence ends there or adds nothing more.
    DEVICE void flush(const Gradients& gradients, const Sequences& sequences, const Part& part, int i)
    {
        int reach = minimum(i, sequences.position(part.begin + i - 1) + 1);
#pragma unroll
        for (int w = 1; w < WIDTH; w++)
        {
            if (w <= reach && i - w < part.length)
            {
                store(gradients.x.at(part.batch, part.begin + i - w) + part.channel, gradients, part, w);
            }
        }
    }
};

// A lane's rows under way and, after the last of them, the static sums of all lanes.
union BackwardMemory
{
    struct
    {
        RowQueue rows;
        RowQueue upstream;
        HeadQueue heads;
    };
    float static_sums[WARPS][WIDTH][GROUP];
};

// Adds the lanes' static sums of the block's warps, in their order, and writes them as the block's partial sums.
DEVICE void store_static(const Taps& sums, float (&shared)[WARPS][WIDTH][GROUP], float* partials, int64 channels)
{
    block_barrier();
    int lane = threadIdx.x % WARP;
#pragma unroll
    for (int w = 0; w < WIDTH; w++)
    {
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            shared[threadIdx.x / WARP][w][c * WARP + lane] = sums[w][c];
        }
    }

    block_barrier();
    int64 groups = (channels + GROUP - 1) / GROUP;
    int64 first = (int64)blockIdx.x % groups * GROUP;
    float* to = partials + (int64)blockIdx.x / groups * WIDTH * channels + first;
    for (int i = threadIdx.x; i < WIDTH * GROUP; i += THREADS)
    {
        int w = i / GROUP;
        int c = i % GROUP;
        float sum = 0.f;
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++)
        {
            sum += shared[warp][w][c % CHANNELS * WARP + c / CHANNELS];
        }

        if (first + c < channels)
        {
            to[w * channels + c] = sum;
        }
    }
}

struct BackwardPass
{
    const Rows<const ELEMENT>& x;
    const Rows<const ELEMENT>& state;
    const Gradients& gradients;
    const Sequences& sequences;
    const Part& part;
    BackwardMemory& queues;
    Walk<const ELEMENT> inputs;
    Walk<const ELEMENT> upstream;
    Walk<const ELEMENT> heads;
    Walk<ELEMENT> input_gradients;
    Walk<ELEMENT> head_gradients;
    Taps constant;
    Taps window;
    PendingRows pending;
    Taps static_sums;

    DEVICE void push(int slot, int i)
    {
        if (i < part.length)
        {
            queues.rows.push(slot, inputs.next());
            queues.upstream.push(slot, upstream.next());
            queues.heads.push(slot, heads.next());
        }

        copy_async_commit();
    }

    DEVICE void token(int slot, int i)
    {
        float dy[CHANNELS];
        copy_async_wait<AHEAD - 1>();
        unpack(window[0], queues.rows.take(slot));
        unpack(dy, queues.upstream.take(slot));
        HeadRow own = queues.heads.take(slot);
        push(slot, i + AHEAD);
        if (begins_sequence(sequences, part, i))
        {
            pending.flush(gradients, sequences, part, i);
            load_window(window, x, state, sequences, part, part.begin + i);
        }

        pending.add(constant, own, dy);
        if (i >= WIDTH - 1)
        {
            ELEMENT* to = input_gradients.next();
            if (!PACKED || sequences.positions[part.begin + i] >= WIDTH - 1)
            {
                pending.store(to, gradients, part, WIDTH - 1);
            }
        }

#if HEADS > 0 && LANES > 0
        ELEMENT* to = head_gradients.next();
        if (gradients.heads.first != nullptr)
        {
            store_heads(to, dy, window, part.active, gradients.accumulate_heads != 0);
        }
#endif
        if (HAS_STATIC)
        {
#pragma unroll
            for (int w = 0; w < WIDTH; w++)
            {
#pragma unroll
                for (int c = 0; c < CHANNELS; c++)
                {
                    static_sums[w][c] = fused_multiply_add(dy[c], window[w][c], static_sums[w][c]);
                }
            }
        }

        shift(window);
        shift(pending.sums);
    }

    // Tokens after the part add to its last rows.
    DEVICE void finish()
    {
        int i = part.length;
        int last = (int)minimum((int64)i + WIDTH - 1, sequences.time - part.begin);
        for (; i < last && sequences.position(part.begin + i) > i - part.length; i++)
        {
            float dy[CHANNELS];
            unpack(dy, Row::load(upstream.next()));
            pending.add(constant, load_heads(heads.next()), dy);
            if (i >= WIDTH - 1)
            {
                ELEMENT* to = input_gradients.next();
                if (sequences.position(part.begin + i) >= WIDTH - 1)
                {
                    pending.store(to, gradients, part, WIDTH - 1);
                }
            }

            shift(pending.sums);
        }

        pending.flush(gradients, sequences, part, i);
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, BACKWARD_BLOCKS) head_wise_backward(
    Rows<const ELEMENT> x, Filters filters, Rows<const ELEMENT> state, Gradients gradients, Sequences sequences,
    int64 channels, int part_length, int64 parts)
{
    __shared__ BackwardMemory queues;
    Part part(sequences, channels, part_length, parts);
    int64 column = filter_column(filters, part);
    BackwardPass pass{
        x, state, gradients, sequences, part, queues,
        Walk<const ELEMENT>(x, part.batch, part.begin, part.channel),
        Walk<const ELEMENT>(gradients.y, part.batch, part.begin, part.channel),
        Walk<const ELEMENT>(filters.heads, part.batch, part.begin, column),
        Walk<ELEMENT>(gradients.x, part.batch, part.begin, part.channel),
        Walk<ELEMENT>(gradients.heads, part.batch, part.begin, column)};
    if (part.length > 0)
    {
        fill(pass, part);
        load_constant(pass.constant, filters, part);
        load_window(pass.window, x, state, sequences, part, part.begin);
        walk(pass, part);
        pass.finish();
    }

    if (HAS_STATIC && gradients.static_partials != nullptr)
    {
        store_static(pass.static_sums, queues.static_sums, gradients.static_partials, channels);
    }
}
