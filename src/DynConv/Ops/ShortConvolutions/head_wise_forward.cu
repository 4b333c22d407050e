// Head-wise and static convolutions: y[t] = sum_w f_w(t) x[t - w] with f_w(t) = k[t, head, w] + s[w] (+ 1 at w = 0).
// How the work is split, and the compiler's options: head_wise_convolution.cuh.
#include "head_wise_convolution.cuh"

struct ForwardMemory
{
    RowQueue::Memory rows;
    HeadQueue::Memory heads;
};

struct ForwardPass
{
    const Rows<const ELEMENT>& state;
    const Sequences& sequences;
    const Part& part;
    RowQueue row_queue;
    HeadQueue head_queue;
    Walk<const ELEMENT> inputs;
    Walk<const ELEMENT> heads;
    Walk<ELEMENT> outputs;
    Taps constant;
    Taps window;

    DEVICE void push(int slot, int i)
    {
        const ELEMENT* row = inputs.next();
        const ELEMENT* head_row = heads.next();
        if (i < part.length)
        {
            row_queue.push(slot, row);
            head_queue.push(slot, head_row);
        }

        copy_async_commit();
    }

    DEVICE void token(int slot, int i)
    {
        int position = position_inside(sequences, part, i);
        copy_async_wait<AHEAD - 1>();
        unpack(window[0], row_queue.take(slot));
        HeadRow own = head_queue.take(slot);
        push(slot, i + AHEAD);
        if (position == 0 && i > 0)
        {
            restart_window(window, state, sequences, part, i);
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
    __shared__ ForwardMemory memory;
    Part part(sequences, channels, part_length, parts);
    if (part.length == 0)
    {
        return;
    }

    ForwardPass pass{
        state, sequences, part, memory.rows, memory.heads,
        Walk<const ELEMENT>(x, part.batch, part.begin, part.channel),
        Walk<const ELEMENT>(filters.heads, part.batch, part.begin, filter_column(filters, part)),
        Walk<ELEMENT>(y, part.batch, part.begin, part.channel)};
    fill(pass, part);
    load_constant(pass.constant, filters, part);
    load_window(pass.window, x, state, sequences, part);
    walk(pass, part);
}
