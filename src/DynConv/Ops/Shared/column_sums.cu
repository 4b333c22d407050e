// Partial sums of columns: partials[p, c] = sum of x[r, c] over the rows r of part p.
//
// A block takes WARP * VECTOR columns and, with the other parts, goes round the rows: ROWS at a time, one a warp, VECTOR
// columns a lane. A warp reads AHEAD rows before it adds the first. In the end the sums of its warps add up in order.
#include "row_strides.cuh"

static constexpr int THREADS = 256;
static constexpr int ROWS = THREADS / WARP;
static constexpr int AHEAD = 4;

static_assert(WARP * VECTOR <= THREADS, "each column's sums add up in a thread of their own");

typedef Packet<TYPE, VECTOR> Chunk;

extern "C" __global__ void __launch_bounds__(THREADS) column_sums(
    const __grid_constant__ RowStrides layout, int64 rows, int64 columns, const TYPE* x, float* partials)
{
    after_earlier_launches();
    __shared__ float shares[ROWS][WARP * VECTOR];
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    int64 first = (int64)blockIdx.x * (WARP * VECTOR);
    float sums[VECTOR] = {};
    if (first + lane * VECTOR < columns)
    {
        const TYPE* from = x + first + lane * VECTOR;
        int64 step = (int64)gridDim.y * ROWS;
        for (int64 row = (int64)blockIdx.y * ROWS + warp; row < rows; row += AHEAD * step)
        {
            Chunk chunks[AHEAD];
#pragma unroll
            for (int i = 0; i < AHEAD; i++)
            {
                if (row + i * step < rows)
                {
                    int64 at[1];
                    layout.find(row + i * step, at);
                    chunks[i] = Chunk::load(from + at[0]);
                }
            }

#pragma unroll
            for (int i = 0; i < AHEAD; i++)
            {
#pragma unroll
                for (int k = 0; k < VECTOR; k++)
                {
                    sums[k] += row + i * step < rows ? chunks[i][k] : 0.f;
                }
            }
        }
    }

#pragma unroll
    for (int k = 0; k < VECTOR; k++)
    {
        shares[warp][lane * VECTOR + k] = sums[k];
    }

    block_barrier();
    int c = threadIdx.x;
    if (c < WARP * VECTOR && first + c < columns)
    {
        float sum = 0.f;
#pragma unroll
        for (int i = 0; i < ROWS; i++)
        {
            sum += shares[i][c];
        }

        partials[blockIdx.y * columns + first + c] = sum;
    }
}
