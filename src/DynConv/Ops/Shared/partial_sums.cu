// The end of every gradient that blocks have summed apart: partial sums add up in a fixed order, by one of two kernels.
//
// partial_sums, for many parts of few columns: target[c] = sum over p of partials[p, c]. A block of 32 x 32 threads takes 32
// columns: row i of its threads sums partials i, i + 32, ... of each column, and the 32 sums of a column then add up in order.
//
// partial_sums_of_rows, for few parts of many columns and up to three gradients at once, which may be bfloat16 and lie in rows:
// to[row, column] = sum over parts, in their order. A thread owns QUAD columns of a row of one of them.
//
// Macros: TARGET (element type of partial_sums), QUAD (1 or 4).
#include "prelude.cuh"

static constexpr int COLUMNS = 32;
static constexpr int LANES = 32;

extern "C" __global__ void __launch_bounds__(COLUMNS * LANES)
    partial_sums(const float* partials, TARGET* target, int64 parts, int64 columns, int accumulate)
{
    after_earlier_launches();
    __shared__ float sums[LANES][COLUMNS];
    int c = threadIdx.x % COLUMNS;
    int lane = threadIdx.x / COLUMNS;
    int64 column = (int64)blockIdx.x * COLUMNS + c;
    float sum = 0.f;
    if (column < columns)
    {
#pragma unroll 4
        for (int64 p = lane; p < parts; p += LANES)
        {
            sum += partials[p * columns + column];
        }
    }

    sums[lane][c] = sum;
    block_barrier();
    if (lane == 0 && column < columns)
    {
#pragma unroll
        for (int i = 1; i < LANES; i++)
        {
            sum += sums[i][c];
        }

        put(target + column, sum, accumulate != 0);
    }
}

static constexpr int ROW_THREADS = 256;

// Partial sums [parts, rows, width] in float32 and where they go: row r stands at
// to + (r / rows_a_batch) * batch_stride + (r % rows_a_batch) * row_stride and has `columns` <= width elements.
struct PartialRows
{
    const float* partials; // null: nothing to do
    void* to;
    int64 parts;
    int64 rows;
    int64 width; // a multiple of QUAD
    int64 columns;
    int64 rows_a_batch;
    int64 batch_stride;
    int64 row_stride;
    int is_float; // or else bf16
    int accumulate;

    DEVICE int64 quads() const { return partials == nullptr ? 0 : rows * (width / QUAD); }
};

struct PartialRowSums
{
    PartialRows jobs[3];
};

DEVICE void add_up(const PartialRows& job, int64 quad)
{
    int64 size = job.rows * job.width;
    const float* from = job.partials + quad * QUAD;
    float sums[QUAD] = {};
#pragma unroll 8
    for (int64 part = 0; part < job.parts; part++)
    {
        Packet<float, QUAD> values = Packet<float, QUAD>::load(from + part * size);
#pragma unroll
        for (int i = 0; i < QUAD; i++)
        {
            sums[i] += values[i];
        }
    }

    int64 quads_a_row = job.width / QUAD;
    int64 row = quad / quads_a_row;
    int64 column = quad % quads_a_row * QUAD;
    int64 at = row / job.rows_a_batch * job.batch_stride + row % job.rows_a_batch * job.row_stride + column;
#pragma unroll
    for (int i = 0; i < QUAD; i++)
    {
        if (column + i >= job.columns)
        {
            return;
        }

        if (job.is_float != 0)
        {
            put((float*)job.to + at + i, sums[i], job.accumulate != 0);
        }
        else
        {
            put((bf16*)job.to + at + i, sums[i], job.accumulate != 0);
        }
    }
}

extern "C" __global__ void __launch_bounds__(ROW_THREADS) partial_sums_of_rows(const PartialRowSums a)
{
    after_earlier_launches();
    int64 quad = (int64)blockIdx.x * ROW_THREADS + threadIdx.x;
#pragma unroll
    for (int i = 0; i < 3; i++)
    {
        int64 quads = a.jobs[i].quads();
        if (quad >= 0 && quad < quads)
        {
            add_up(a.jobs[i], quad);
        }

        quad -= quads;
    }
}
