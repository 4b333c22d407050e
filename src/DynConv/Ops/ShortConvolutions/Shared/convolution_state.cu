// The last WIDTH - 1 inputs of each sequence, final [N, W - 1, D], the way back, and the gradient of the state that a sequence
// begins with. A thread takes an element of a state.
//
// Macros: those of convolution_filters.cuh.
#include "convolution_filters.cuh"

static constexpr int THREADS = 256;

// Where row j of sequence n comes from: token `t` of batch entry `b`; t is below the sequence's first token, `begin`, by as
// much as the row lies before the end of the initial state.
struct StatePlace
{
    int64 n;
    int64 j;
    int64 c;
    int64 b;
    int64 begin;
    int64 t;

    DEVICE StatePlace(const Sequences& sequences, int64 channels)
    {
        int64 element = (int64)blockIdx.x * THREADS + threadIdx.x;
        c = element % channels;
        j = element / channels % (WIDTH - 1);
        n = element / channels / (WIDTH - 1);
        if (n < sequences.count)
        {
            b = sequences.bounds == nullptr ? n : 0;
            begin = sequences.bounds == nullptr ? 0 : sequences.bounds[n];
            t = (sequences.bounds == nullptr ? sequences.time : sequences.bounds[n + 1]) - (WIDTH - 1) + j;
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) final_state(
    Rows<const ELEMENT> x, Rows<const ELEMENT> state, Rows<ELEMENT> last, Sequences sequences, int64 channels)
{
    after_earlier_launches();
    StatePlace place(sequences, channels);
    if (place.n < sequences.count)
    {
        ELEMENT value = {};
        if (place.t >= place.begin)
        {
            value = x.at(place.b, place.t)[place.c];
        }
        else if (state.first != nullptr)
        {
            value = state.at(place.n, WIDTH - 1 + place.t - place.begin)[place.c];
        }

        last.at(place.n, place.j)[place.c] = value;
    }
}

// Adds to the gradients of x and of the initial state, of which either may be missing.
extern "C" __global__ void __launch_bounds__(THREADS) final_state_gradient(
    Rows<const ELEMENT> dlast, Rows<ELEMENT> dx, Rows<ELEMENT> dstate, Sequences sequences, int64 channels)
{
    after_earlier_launches();
    StatePlace place(sequences, channels);
    if (place.n < sequences.count)
    {
        float value = to_float(dlast.at(place.n, place.j)[place.c]);
        if (place.t >= place.begin)
        {
            if (dx.first != nullptr)
            {
                put(dx.at(place.b, place.t) + place.c, value, true);
            }
        }
        else if (dstate.first != nullptr)
        {
            put(dstate.at(place.n, WIDTH - 1 + place.t - place.begin) + place.c, value, true);
        }
    }
}

// The gradient of the initial state. Its row j, oldest first, meets tap W - 1 + m - j at the sequence's token m:
//   dstate[n,j,d] = sum_{m <= j} f_{W-1+m-j}(m) dy[m,d].
extern "C" __global__ void __launch_bounds__(THREADS) initial_state_gradient(
    TokenFilters filters, Rows<const ELEMENT> dy, Rows<ELEMENT> dstate, Sequences sequences, int accumulate)
{
    after_earlier_launches();
    StatePlace place(sequences, filters.channels);
    if (place.n >= sequences.count)
    {
        return;
    }

    float sum = 0.f;
    int64 end = place.t + (WIDTH - 1) - place.j;
    for (int64 m = 0; m <= place.j && place.begin + m < end; m++)
    {
        float filter = filters.at(place.b, place.begin + m, (int)(WIDTH - 1 + m - place.j), place.c);
        sum = fused_multiply_add(filter, to_float(dy.at(place.b, place.begin + m)[place.c]), sum);
    }

    put(dstate.at(place.n, place.j) + place.c, sum, accumulate != 0);
}
