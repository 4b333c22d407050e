// The gradient of the initial state of a low-rank convolution. Row i of W - 1, oldest first, meets tap W - 1 + m - i at
// the sequence's token m:
//   dstate[n,i,d] = sum_{m <= i} f_{W-1+m-i}(m) dy[m,d],   f_w(t) = sum_r z[t,r] U[r,w,d] + s[w,d].
// A thread owns one element.
#include "low_rank_filters.cuh"

static constexpr int THREADS = 128;
static constexpr int PAST = WIDTH - 1;

struct LowRankState
{
    Rows<const ELEMENT> z;
    Rows<const ELEMENT> dy;
    Rows<ELEMENT> dstate;
    Sequences sequences;
    LearnedFilters learned;
    StaticWeight static_weight;
    int64 channels;
    int64 accumulate;
};

extern "C" __global__ void __launch_bounds__(THREADS) low_rank_state(const LowRankState a)
{
    after_earlier_launches();
    int64 channel_blocks = (a.channels + THREADS - 1) / THREADS;
    int64 d = blockIdx.x % channel_blocks * THREADS + threadIdx.x;
    int64 row = blockIdx.x / channel_blocks;
    int64 n = row / PAST;
    int i = (int)(row % PAST);
    if (d >= a.channels)
    {
        return;
    }

    bool packed = a.sequences.bounds != nullptr;
    int64 b = packed ? 0 : n;
    int64 start = packed ? a.sequences.bounds[n] : 0;
    int64 length = packed ? a.sequences.bounds[n + 1] - start : a.sequences.time;
    float sum = 0.f;
    for (int m = 0; m <= i && m < length; m++)
    {
        int w = PAST + m - i;
        float filter = a.static_weight.at(w, d);
        const ELEMENT* z = a.z.at(b, start + m);
        for (int64 r = 0; r < a.learned.rank; r++)
        {
            filter = fused_multiply_add(to_float(z[r]), a.learned.at(r, w, d, a.channels), filter);
        }

        sum = fused_multiply_add(filter, to_float(a.dy.at(b, start + m)[d]), sum);
    }

    put(a.dstate.at(n, i) + d, sum, a.accumulate != 0);
}
