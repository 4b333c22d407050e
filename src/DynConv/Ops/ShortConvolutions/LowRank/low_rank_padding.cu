// Factors in rows that the tensor-core kernels can read: [B, T, R] becomes [B * T, WIDE], the rest of a row zeros.
// A thread owns one element. Macro: WIDE.
#include "convolution.cuh"

static constexpr int THREADS = 256;

struct LowRankPadding
{
    Rows<const bf16> z;
    bf16* to;
    int64 batch;
    int64 time;
    int64 rank;
};

extern "C" __global__ void __launch_bounds__(THREADS) low_rank_padding(const LowRankPadding a)
{
    after_earlier_launches();
    int64 i = (int64)blockIdx.x * THREADS + threadIdx.x;
    int64 token = i / WIDE;
    int64 r = i % WIDE;
    if (token < a.batch * a.time)
    {
        a.to[i] = r < a.rank ? a.z.at(token / a.time, token % a.time)[r] : bf16{0};
    }
}
