// Adds up the partial sums that the backward kernels of the low-rank convolution leave, for up to three gradients at once:
// to[row, column] = sum over parts, in their order. A thread owns QUAD columns of a row of one of them.
// Macro: QUAD (1 or 4).
#include "prelude.cuh"

static constexpr int THREADS = 256;

// Partial sums [parts, rows, width] in float32 and where they go: row r stands at
// to + (r / rows_a_batch) * batch_stride + (r % rows_a_batch) * row_stride and has `columns` <= width elements.
struct PartialSums
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

struct LowRankSums
{
    PartialSums jobs[3];
};

DEVICE void add_up(const PartialSums& job, int64 quad)
{
    int64 size = job.rows * job.width;
    const float* from = job.partials + quad * QUAD;
    float sums[QUAD] = {};
#pragma unroll 8
    for (int64 part = 0; part < job.parts; part++)
    {
        Pack<float, QUAD> values = Pack<float, QUAD>::load(from + part * size);
#pragma unroll
        for (int i = 0; i < QUAD; i++)
        {
            sums[i] += values.at[i];
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

extern "C" __global__ void __launch_bounds__(THREADS) low_rank_sums(const LowRankSums a)
{
    after_earlier_launches();
    int64 quad = (int64)blockIdx.x * THREADS + threadIdx.x;
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
