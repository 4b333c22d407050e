// Gradients of head-wise and static convolutions in one pass over x, k and dy, each read once:
//
//   dx[t] = sum_w f_w(t + w) dy[t + w]
//   dk[t, head, w] = sum over the head's channels of dy[t] x[t - w]
//   ds[w] = sum_t dy[t] x[t - w], left as one partial sum a block
//
// How the work is split, and the compiler's options: head_wise_walk.cuh. With LANES = 0, dk is not computed here.
#include "head_wise_walk.cuh"

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
DEVICE constexpr int sums_left()
{
    int left = FILTERS;
    for (int lanes = LANES; lanes > 1; lanes /= 2)
    {
        left = left % 2 == 0 ? left / 2 : left;
    }

    return left;
}

static constexpr int SUMS = sums_left();

// Elements written at a time: a power of two that divides the sums.
static constexpr int SUM_PACK = (SUMS & -SUMS) < FILTER_PACK ? SUMS & -SUMS : FILTER_PACK;

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

        put_packet_streaming<SUM_PACK>(to + first, sums, accumulate);
    }
}
#endif

// The gradient of x as it grows: row w of `sums` belongs to the token w before the current one and lacks what the current
// and later tokens add.
struct PendingRows
{
    Taps sums;
    bool wanted;

    DEVICE void add(const Taps& static_weight, const HeadRow& heads, const float (&dy)[CHANNELS])
    {
#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            sums[0][c] = tap(static_weight[0][c], heads, 0, c) * dy[c];
#pragma unroll
            for (int w = 1; w < WIDTH; w++)
            {
                sums[w][c] = fused_multiply_add(tap(static_weight[w][c], heads, w, c), dy[c], sums[w][c]);
            }
        }
    }

    // Writes the rows of the part that come before its token i, whose sequence ends there or adds nothing more.
    DEVICE void flush(const Gradients& gradients, const Sequences& sequences, const Part& part, int i)
    {
        if (!wanted)
        {
            return;
        }

        int reach = minimum(i, sequences.position(part.begin + i - 1) + 1);
        ELEMENT* to = gradients.x.at(part.batch, part.begin + i) + part.channel;
#pragma unroll
        for (int w = 1; w < WIDTH; w++)
        {
            to -= gradients.x.time_stride;
            if (w <= reach && i - w < part.length)
            {
                put_packet_streaming<CHANNELS>(to, sums[w], gradients.accumulate_x != 0);
            }
        }
    }
};

struct BackwardQueues
{
    RowQueue::Memory rows;
    RowQueue::Memory upstream;
    HeadQueue::Memory heads;
};

// Rows under way and, after the last of them, the static sums of all lanes.
union HeadWiseMemory
{
    BackwardQueues queues;
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
    const HeadWiseFilters& filters;
    const Rows<const ELEMENT>& state;
    const Gradients& gradients;
    const Sequences& sequences;
    const Part& part;
    int reach; // tokens from the part's first to the last that adds to one of its rows
    RowQueue row_queue;
    RowQueue upstream_queue;
    HeadQueue head_queue;
    Walk<const ELEMENT> inputs;
    Walk<const ELEMENT> upstream;
    Walk<const ELEMENT> heads;
    Walk<ELEMENT> input_gradients;
    Walk<ELEMENT> head_gradients;
    Taps static_weight;
    Taps window;
    PendingRows pending;
    Taps static_sums;

    DEVICE void push(int slot, int i)
    {
        const ELEMENT* row = inputs.next();
        const ELEMENT* upstream_row = upstream.next();
        const ELEMENT* head_row = heads.next();
        if (i < part.length)
        {
            row_queue.push(slot, row);
        }

        // Those in registers have slots for the part's own alone; what comes after it is read again then.
        if (i < (FIXED_SLOTS ? part.length : reach))
        {
            upstream_queue.push(slot, upstream_row);
            head_queue.push(slot, head_row);
        }

        copy_async_commit();
    }

    // Writes the row that token i, with so many tokens of its sequence before it, was the last to add to.
    DEVICE void store_oldest(int i, int position)
    {
        ELEMENT* to = input_gradients.next();
        if (pending.wanted && i >= PAST && position >= PAST)
        {
            put_packet_streaming<CHANNELS>(to, pending.sums[PAST], gradients.accumulate_x != 0);
        }
    }

    DEVICE void token(int slot, int i)
    {
        int position = position_inside(sequences, part, i);
        float dy[CHANNELS];
        copy_async_wait<AHEAD - 1>();
        unpack(window[0], row_queue.take(slot));
        unpack(dy, upstream_queue.take(slot));
        HeadRow own = head_queue.take(slot);
        push(slot, i + AHEAD);
        if (position == 0 && i > 0)
        {
            pending.flush(gradients, sequences, part, i);
            Row before[WIDTH];
            load_before(before, nullptr, x, state, sequences, part.batch, part.begin + i, part.channel, 0);
            set_window(window, before);
        }

        pending.add(static_weight, own, dy);
        store_oldest(i, position);
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

    // What the first token needs besides its own rows: all of it is under way before any of it is waited for.
    DEVICE void prepare()
    {
        const ELEMENT* from = x.at(part.batch, part.begin) + part.channel;
        StaticTaps taps;
        Row before[WIDTH];
        taps.load(filters, part.channel);
        load_before(
            before, from, x, state, sequences, part.batch, part.begin, part.channel, sequences.position(part.begin));
        set_window(window, before);
#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
#pragma unroll
            for (int c = 0; c < CHANNELS; c++)
            {
                static_weight[w][c] = taps.at(w, c);
            }
        }
    }

    // Tokens after the part add to its last rows.
    DEVICE void finish(int slot)
    {
        int i = part.length;
        for (; i < reach && sequences.position(part.begin + i) > i - part.length; i++)
        {
            float dy[CHANNELS];
            HeadRow own;
            if constexpr (FIXED_SLOTS)
            {
                unpack(dy, Row::load(gradients.y.at(part.batch, part.begin + i) + part.channel));
                own = load_heads(filters.heads.at(part.batch, part.begin + i) + filters.column(part.channel));
            }
            else
            {
                slot %= AHEAD;
                copy_async_wait<AHEAD - 1>();
                unpack(dy, upstream_queue.take(slot));
                own = head_queue.take(slot);
                push(slot++, i + AHEAD);
            }

            pending.add(static_weight, own, dy);
            store_oldest(i, sequences.position(part.begin + i));
            shift(pending.sums);
        }

        // The static sums take the place of rows that may still be under way.
        copy_async_wait<0>();
        pending.flush(gradients, sequences, part, i);
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) head_wise_backward(
    Rows<const ELEMENT> x, HeadWiseFilters filters, Rows<const ELEMENT> state, Gradients gradients, Sequences sequences,
    int64 channels, int part_length, int64 parts)
{
    after_earlier_launches();
    if (HAS_STATIC && gradients.static_partials != nullptr)
    {
        let_next_launch_begin(); // mostly the short one that adds up this one's sums
    }

    __shared__ HeadWiseMemory memory;
    Part part(sequences, channels, part_length, parts);
    int64 column = filters.column(part.channel);
    BackwardPass pass{
        x, filters, state, gradients, sequences, part,
        (int)minimum((int64)part.length + PAST, sequences.time - part.begin),
        memory.queues.rows, memory.queues.upstream, memory.queues.heads,
        Walk<const ELEMENT>(x, part.batch, part.begin, part.channel),
        Walk<const ELEMENT>(gradients.y, part.batch, part.begin, part.channel),
        Walk<const ELEMENT>(filters.heads, part.batch, part.begin, column),
        Walk<ELEMENT>(gradients.x, part.batch, part.begin - PAST, part.channel),
        Walk<ELEMENT>(gradients.heads, part.batch, part.begin, column)};
    if (part.length > 0)
    {
        fill(pass, part);
        pass.pending.wanted = part.active && gradients.x.first != nullptr;
        pass.prepare();
        pass.finish(walk(pass, part));
    }

    if (HAS_STATIC && gradients.static_partials != nullptr)
    {
        store_static(pass.static_sums, memory.static_sums, gradients.static_partials, channels);
    }
}
