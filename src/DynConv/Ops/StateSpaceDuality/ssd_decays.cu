// How the tokens of each chunk decay, for each head: see ChunkDecays in ssd.cuh. A block takes one head in one chunk.
#include "ssd.cuh"

extern "C" __global__ void __launch_bounds__(CHUNK)
    ssd_decays(HeadRows<const float> dt, const float* a, ChunkDecays* decays, SsdShape shape)
{
    after_earlier_launches();
    __shared__ double sums[CHUNK];

    // e^-200 is 0 as a float, and sums of it stay finite.
    constexpr double smallest = -200.;
    constexpr int together = 8;
    int i = threadIdx.x;
    int head = (int)(blockIdx.x % shape.heads);
    ChunkTokens tokens = ChunkTokens::at(shape, blockIdx.x / shape.heads);
    float step = i < tokens.count ? tokens.in(dt, head)[i * dt.time] : 0.f;
    sums[i] = maximum((double)step * (double)a[head], smallest);
    block_barrier();
    double sum = 0.;
    for (int j = i / together * together; j <= i; j++)
    {
        sum += sums[j];
    }

    block_barrier();
    sums[i] = sum;
    block_barrier();
    for (int j = together - 1; j < i / together * together; j += together)
    {
        sum += sums[j];
    }

    block_barrier();
    sums[i] = sum;
    block_barrier();
    ChunkDecays& to = decays[blockIdx.x];
    float to_end = exp_of((float)(sums[CHUNK - 1] - sum));
    to.high[i] = (float)sum;
    to.low[i] = (float)(sum - (double)(float)sum);
    to.dt[i] = step;
    to.from_start[i] = exp_of((float)sum);
    to.to_end[i] = to_end;
    to.to_state[i] = to_end * step;
}
