// dk[b, t, h, w] = sum over the channels of head h of dy[b, t] x[b, t - w], for heads of any size and rows that begin anywhere.
//
// LANES lanes share a head, CHANNELS neighbouring ones of its channels each, so that a warp takes WARP / LANES heads, or, where
// LANES is WARP, all channels of one in several turns. A warp takes TOKENS successive tokens, the next warp of its block the next ones:
// the rows of x and dy that they need are under way before anything is computed. Each lane has its channels' sums of all tokens and
// taps; they meet in shared memory, where a lane adds up those of a token's head, always in the order of the channels.
//
// Macros: ELEMENT (float or bf16), WIDTH (W), LANES, TOKENS, WARPS (of a block), ALIGNED (1 if rows and heads begin at multiples of 16
// bytes), PACK (elements of dk written at a time), PACKED (0 or 1: sequences).
#include "convolution.cuh"
#include "shifted.cuh"

static constexpr int THREADS = WARPS * WARP;
static constexpr int SIZE = sizeof(ELEMENT);
static constexpr int WORDS = 4;
static constexpr int CHANNELS = WORDS * 4 / SIZE;
static constexpr int HEADS = WARP / LANES;
static constexpr int PAST = WIDTH - 1;
static constexpr int SUMS = TOKENS * WIDTH;

typedef float Values[CHANNELS];

// What a lane has of a head: of `count` channels from `channel` on the first CHANNELS.
struct Share
{
    int64 channel;
    int count;

    // Ones where word i holds elements of it.
    DEVICE uint32 mask(int i) const
    {
        int left = count * SIZE - i * 4;
        return left >= 4 ? ~0u : left > 0 ? 0xffffu : 0;
    }
};

// The aligned pieces that a lane's channels of a row lie in, as they come from memory.
struct Fetched
{
    static constexpr int PIECES = ALIGNED ? 1 : 3;
    static constexpr int PIECE = (ALIGNED ? 16 : 8) / SIZE; // elements
    static constexpr int READ = PIECES * PIECE * SIZE / 4;
    typedef Access<uint32, READ / PIECES> Piece;

    uint32 words[READ];
    int off; // elements before the lane's first

    DEVICE void clear()
    {
#pragma unroll
        for (int i = 0; i < READ; i++)
        {
            words[i] = 0;
        }

        off = 0;
    }

    DEVICE void load(const ELEMENT* row, const Share& share)
    {
        clear();
        const ELEMENT* from = row + share.channel;
        off = ALIGNED ? 0 : (int)((uint64)from / SIZE % PIECE);
        int end = share.count > 0 ? share.count + off : 0;
#pragma unroll
        for (int i = 0; i < PIECES; i++)
        {
            // A piece without one of the lane's elements might lie outside of the tensor.
            if (end > i * PIECE)
            {
                Piece piece = reinterpret_cast<const Piece*>(from - off)[i];
#pragma unroll
                for (int k = 0; k < READ / PIECES; k++)
                {
                    words[i * (READ / PIECES) + k] = piece.at[k];
                }
            }
        }
    }

    DEVICE void unpack(Values& values, const Share& share) const
    {
        uint32 own[WORDS];
        if constexpr (ALIGNED)
        {
#pragma unroll
            for (int i = 0; i < WORDS; i++)
            {
                own[i] = words[i];
            }
        }
        else
        {
            shift_words(own, words, (uint32)(off * SIZE));
#pragma unroll
            for (int i = 0; i < WORDS; i++)
            {
                own[i] &= share.mask(i);
            }
        }

#pragma unroll
        for (int c = 0; c < CHANNELS; c++)
        {
            uint32 word = own[c * SIZE / 4];
            values[c] = SIZE == 4 ? float_of_bits(word) : c % 2 == 0 ? low_float(word) : high_float(word);
        }
    }
};

struct WeightGradient
{
    Rows<const ELEMENT> x;
    Rows<const ELEMENT> state;
    Rows<const ELEMENT> dy;
    Rows<ELEMENT> dk;
    Sequences sequences;
    int64 heads;
    int64 head_size;
    int64 accumulate;
};

// The rows before token t of a batch entry, which has `position` tokens of its sequence before it: so many rows of x and then those
// of the initial state, or zeros. Row w stands w tokens before; row 0 is left alone.
DEVICE void load_before(
    Fetched (&before)[WIDTH], const WeightGradient& a, const Share& share, int64 batch, int64 t, int position)
{
    int64 sequence = PACKED && a.state.first != nullptr ? a.sequences.index(batch, t) : batch;
    const ELEMENT* row = a.x.at(batch, t);
    const ELEMENT* state_row = a.state.at(sequence, PAST + position);
#pragma unroll
    for (int w = 1; w < WIDTH; w++)
    {
        row -= a.x.time_stride;
        state_row -= a.state.time_stride;
        if (w <= position || a.state.first != nullptr)
        {
            before[w].load(w <= position ? row : state_row, share);
        }
        else
        {
            before[w].clear();
        }
    }
}

DEVICE void unpack_before(Values (&window)[WIDTH], const Fetched (&before)[WIDTH], const Share& share)
{
#pragma unroll
    for (int w = 1; w < WIDTH; w++)
    {
        before[w].unpack(window[w], share);
    }
}

// Adds what a lane's share of a head adds to the gradients of `count` tokens from `begin` on.
DEVICE void add_products(float (&sums)[SUMS], const WeightGradient& a, const Share& share, int64 batch, int64 begin, int count)
{
    Fetched before[WIDTH];
    Fetched rows[TOKENS];
    Fetched upstream[TOKENS];
    const ELEMENT* row = a.x.at(batch, begin);
    const ELEMENT* upstream_row = a.dy.at(batch, begin);
#pragma unroll
    for (int i = 0; i < TOKENS; i++)
    {
        Share valid{share.channel, i < count ? share.count : 0};
        rows[i].load(row, valid);
        upstream[i].load(upstream_row, valid);
        row += a.x.time_stride;
        upstream_row += a.dy.time_stride;
    }

    Values window[WIDTH];
    load_before(before, a, share, batch, begin, PACKED ? a.sequences.positions[begin] : (int)minimum(begin, (int64)PAST));
    unpack_before(window, before, share);
#pragma unroll
    for (int i = 0; i < TOKENS; i++)
    {
        if (PACKED && i > 0 && i < count && a.sequences.positions[begin + i] == 0)
        {
            load_before(before, a, share, batch, begin + i, 0);
            unpack_before(window, before, share);
        }

        Values dy;
        upstream[i].unpack(dy, share);
        rows[i].unpack(window[0], share);
#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
#pragma unroll
            for (int c = 0; c < CHANNELS; c++)
            {
                sums[i * WIDTH + w] = fused_multiply_add(dy[c], window[w][c], sums[i * WIDTH + w]);
            }
        }

#pragma unroll
        for (int w = PAST; w > 0; w--)
        {
#pragma unroll
            for (int c = 0; c < CHANNELS; c++)
            {
                window[w][c] = window[w - 1][c];
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 3) head_wise_weight_gradient(const WeightGradient a)
{
    after_earlier_launches();
    __shared__ float shared[WARPS][SUMS][WARP + 1];
    int lane = threadIdx.x % WARP;
    int64 groups = (a.heads + HEADS - 1) / HEADS;
    int64 first_head = (int64)blockIdx.x % groups * HEADS;
    int64 begin = ((int64)blockIdx.x / groups * WARPS + threadIdx.x / WARP) * TOKENS;
    int64 batch = (int64)blockIdx.z * gridDim.y + blockIdx.y;
    int count = (int)minimum(a.sequences.time - begin, (int64)TOKENS);
    if (count <= 0 || batch >= a.sequences.batch)
    {
        return;
    }

    int64 head = first_head + lane / LANES;
    int64 size = lane < HEADS * LANES && head < a.heads ? a.head_size : 0;
    float sums[SUMS] = {};
    if constexpr (LANES < WARP)
    {
        int first = lane % LANES * CHANNELS;
        add_products(sums, a, {head * size + first, (int)size - first}, batch, begin, count);
    }
    else
    {
#pragma unroll 1
        for (int64 first = lane * CHANNELS; first - lane * CHANNELS < size; first += WARP * CHANNELS)
        {
            add_products(sums, a, {head * size + first, (int)minimum(size - first, (int64)CHANNELS)}, batch, begin, count);
        }
    }

    float(&own)[SUMS][WARP + 1] = shared[threadIdx.x / WARP];
#pragma unroll
    for (int i = 0; i < SUMS; i++)
    {
        own[i][lane] = sums[i];
    }

    warp_barrier();
    int heads = (int)minimum(a.heads - first_head, (int64)HEADS);
#pragma unroll
    for (int i = 0; i < (TOKENS * HEADS + WARP - 1) / WARP; i++)
    {
        int number = i * WARP + lane;
        int token = number / HEADS;
        int place = number % HEADS;
        if (token < count && place < heads)
        {
            float totals[WIDTH];
#pragma unroll
            for (int w = 0; w < WIDTH; w++)
            {
                const float* from = &own[token * WIDTH + w][place * LANES];
                totals[w] = from[0];
#pragma unroll
                for (int other = 1; other < LANES; other++)
                {
                    totals[w] += from[other];
                }
            }

            put_packet<PACK>(a.dk.at(batch, begin + token) + (first_head + place) * WIDTH, totals, a.accumulate != 0);
        }
    }
}
