// The gradient of a table: target[id, :] += the sum of dy over the id's tokens, in their order (embedding_order.cu).
//
// Block (n, p) works if token n speaks for its id, and on columns [p * COLUMNS, (p + 1) * COLUMNS): warp w sums tokens w,
// w + 8, ... of the stretch, and the warps' sums add up in order.
#include "row_strides.cuh"

static constexpr int WARPS = 8;
static constexpr int COLUMNS = WARP * VECTOR;

// Rows that a warp fetches before it adds the first.
static constexpr int BATCH = 4;

typedef Packet<TYPE, VECTOR> Upstream;

extern "C" __global__ void __launch_bounds__(WARPS * WARP) embedding_sum(
    const __grid_constant__ RowStrides layout,
    const TYPE* dy,
    const int* ids,
    const uint32* slots,
    const uint32* counts,
    const uint32* starts,
    const uint32* ordered,
    TARGET* target,
    int64 target_stride,
    int64 columns)
{
    after_earlier_launches();
    __shared__ float sums[WARPS][VECTOR][WARP];
    if (slots[blockIdx.x] != 0)
    {
        return;
    }

    int id = ids[blockIdx.x];
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    int64 column = (int64)blockIdx.y * COLUMNS + lane * VECTOR;
    uint32 count = counts[id];
    const uint32* stretch = ordered + starts[id];
    float sum[VECTOR] = {};
    if (column < columns)
    {
        for (uint32 i = warp; i < count; i += WARPS * BATCH)
        {
            Upstream rows[BATCH];
#pragma unroll
            for (int r = 0; r < BATCH; r++)
            {
                if (i + r * WARPS < count)
                {
                    int64 at[1];
                    layout.find(stretch[i + r * WARPS], at);
                    rows[r] = Upstream::load(dy + at[0] + column);
                }
            }

#pragma unroll
            for (int r = 0; r < BATCH; r++)
            {
#pragma unroll
                for (int k = 0; k < VECTOR; k++)
                {
                    sum[k] += i + r * WARPS < count ? rows[r][k] : 0.f;
                }
            }
        }
    }

#pragma unroll
    for (int k = 0; k < VECTOR; k++)
    {
        sums[warp][k][lane] = sum[k];
    }

    block_barrier();
    if (warp > 0 || column >= columns)
    {
        return;
    }

    for (uint32 w = 1; w < minimum<uint32>(count, WARPS); w++)
    {
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            sum[k] += sums[w][k][lane];
        }
    }

    put_packet(target + id * target_stride + column, sum, true);
}
