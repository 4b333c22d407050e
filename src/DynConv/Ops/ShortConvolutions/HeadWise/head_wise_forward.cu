// Head-wise and static convolutions: y[t] = sum_w f_w(t) x[t - w] with f_w(t) = k[t, head, w] + s[w] (+ 1 at w = 0).
//
// A thread owns CHANNELS neighbouring channels of TOKENS successive tokens; neighbouring threads lie side by side along
// the channels first. All that a thread needs is under way to its registers, packed as it lies in memory, before it
// computes anything: bytes under way are what hides a busy memory's latency. The W - 1 rows before its tokens are other
// threads', too, and come from a cache as a rule.
//
// The compiler's options: head_wise_convolution.cuh; besides, TOKENS, FINISH.
#include "convolution_finish.cuh"
#include "head_wise_convolution.cuh"

static constexpr int THREADS = 256;

// The rows of a thread's tokens from number PAST on, and those before them.
typedef Row Inputs[PAST + TOKENS];

DEVICE void set_before(Inputs& rows, int token, const Row (&before)[WIDTH])
{
#pragma unroll
    for (int w = 1; w < WIDTH; w++)
    {
        rows[PAST + token - w] = before[w];
    }
}

DEVICE Row convolve(
    const StaticTaps& static_weight, const HeadRow& heads, const Inputs& rows, int token, const float (&bias)[CHANNELS], const Row& dy)
{
    float sums[CHANNELS];
#pragma unroll
    for (int c = 0; c < CHANNELS; c++)
    {
        sums[c] = tap(static_weight.at(0, c), heads, 0, c) * rows[PAST + token][c];
#pragma unroll
        for (int w = 1; w < WIDTH; w++)
        {
            sums[c] = fused_multiply_add(tap(static_weight.at(w, c), heads, w, c), rows[PAST + token - w][c], sums[c]);
        }

        sums[c] = finished(sums[c], bias[c], dy[c]);
    }

    return Row::of(sums);
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) head_wise_forward(
    Rows<const ELEMENT> x, HeadWiseFilters filters, Rows<const ELEMENT> state, Rows<ELEMENT> y, Sequences sequences,
    Finish<ELEMENT> finish, int64 columns)
{
    after_earlier_launches();
    int64 index = (int64)blockIdx.x * THREADS + threadIdx.x;
    int64 channel = index % columns * CHANNELS;
    int64 begin = index / columns * TOKENS;
    int64 batch = (int64)blockIdx.z * gridDim.y + blockIdx.y;
    int count = (int)minimum(sequences.time - begin, (int64)TOKENS);
    if (count <= 0 || batch >= sequences.batch)
    {
        return;
    }

    int position = PACKED ? sequences.positions[begin] : (int)minimum(begin, (int64)PAST);
    bool restarts = PACKED && sequences.positions[begin + count - 1] < count - 1;
    const ELEMENT* from = x.at(batch, begin) + channel;
    const ELEMENT* heads_from = filters.heads.at(batch, begin) + filters.column(channel);
    const ELEMENT* next = from;
    Inputs rows;
    HeadRow heads[TOKENS];
    Row dy[TOKENS] = {};
    float bias[CHANNELS];
#pragma unroll
    for (int i = 0; i < TOKENS; i++)
    {
        if (i < count)
        {
            rows[PAST + i] = Row::load(next);
            heads[i] = load_heads(heads_from);
            if constexpr (FINISH == SILU_GRADIENT)
            {
                dy[i] = Row::load(finish.dy.at(batch, begin + i) + channel);
            }
        }

        next += x.time_stride;
        heads_from += filters.heads.time_stride;
    }

    Row before[WIDTH];
    StaticTaps static_weight;
    if constexpr (PACKED)
    {
        // Most often these are the rows, and to know it would take a read of its own.
        if (begin >= PAST)
        {
            load_before(before, from, x, state, sequences, batch, begin, channel, PAST);
        }

        static_weight.load(filters, channel);
        if (position < PAST)
        {
            load_before(before, from, x, state, sequences, batch, begin, channel, position);
        }
    }
    else
    {
        load_before(before, from, x, state, sequences, batch, begin, channel, position);
        static_weight.load(filters, channel);
    }

#pragma unroll
    for (int c = 0; c < CHANNELS; c++)
    {
        bias[c] = finish.bias_of(channel + c);
    }

    set_before(rows, 0, before);
    ELEMENT* to = y.at(batch, begin) + channel;
#pragma unroll
    for (int i = 0; i < TOKENS; i++)
    {
        if (i < count)
        {
            if (restarts && i > 0 && sequences.positions[begin + i] == 0)
            {
                load_before(before, nullptr, x, state, sequences, batch, begin + i, channel, 0);
                set_before(rows, i, before);
            }

            convolve(static_weight, heads[i], rows, i, bias, dy[i]).store_streaming(to);
        }

        to += y.time_stride;
    }
}
