// One more token of each sequence through several short convolutions, whose states move on with it. The inputs of a layer's
// convolutions come from one matrix product, and so all of them are one launch:
//   y[b,d] = sum_w f_w x_w       with x_0 = x[b,d] and x_w = state[b, W-1-w, d] before the token.
//
// A thread owns a channel of SEQUENCES sequences: nobody else reads or writes that column of their states, which can move in
// place, and what it reads of U serves them all. A block owns THREADS channels of one convolution.
//
// Macros: those of convolution_filters.cuh, CONVOLUTIONS (the most of a launch), SEQUENCES, FINISH.
#include "convolution_filters.cuh"
#include "convolution_finish.cuh"

static constexpr int THREADS = 128;
static constexpr int PAST = WIDTH - 1;

// x, k, z and y have one token a sequence.
struct StepConvolution
{
    Rows<const ELEMENT> x;
    Rows<ELEMENT> state;
    Rows<ELEMENT> y;
    TokenFilters filters;
    Finish<ELEMENT> finish;
    int64 first_block; // behind the last of the launch where there is no convolution
};

struct ConvolutionSteps
{
    StepConvolution convolutions[CONVOLUTIONS];
    int64 batch;
};

// Steps SEQUENCES sequences from `first` on; what would stand behind the last one repeats it, and is not written.
DEVICE void step(const StepConvolution& a, int64 batch, int64 first, int64 d)
{
    ELEMENT inputs[SEQUENCES][WIDTH]; // by tap
    float filters[SEQUENCES][WIDTH];
    int64 sequences[SEQUENCES];
#pragma unroll
    for (int i = 0; i < SEQUENCES; i++)
    {
        sequences[i] = minimum(first + i, batch - 1);
#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            inputs[i][w] = (w == 0 ? a.x.at(sequences[i], 0) : a.state.at(sequences[i], PAST - w))[d];
        }
    }

#pragma unroll
    for (int w = 0; w < WIDTH; w++)
    {
#pragma unroll
        for (int i = 0; i < SEQUENCES; i++)
        {
            filters[i][w] = a.filters.start(sequences[i], 0, w, d);
        }
    }

#pragma unroll 4
    for (int64 r = 0; r < a.filters.learned.rank; r++)
    {
        float z[SEQUENCES];
#pragma unroll
        for (int i = 0; i < SEQUENCES; i++)
        {
            z[i] = to_float(a.filters.z.at(sequences[i], 0)[r]);
        }

#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            float u = a.filters.learned.at(r, w, d, a.filters.channels);
#pragma unroll
            for (int i = 0; i < SEQUENCES; i++)
            {
                filters[i][w] = fused_multiply_add(z[i], u, filters[i][w]);
            }
        }
    }

#pragma unroll
    for (int i = 0; i < SEQUENCES; i++)
    {
        if (first + i >= batch)
        {
            return;
        }

        float sum = 0.f;
#pragma unroll
        for (int w = 0; w < WIDTH; w++)
        {
            sum = fused_multiply_add(filters[i][w], to_float(inputs[i][w]), sum);
        }

        put(a.y.at(first + i, 0) + d, finished(sum, a.finish.bias_of(d), 0.f), false);
#pragma unroll
        for (int w = 0; w < PAST; w++)
        {
            a.state.at(first + i, PAST - 1 - w)[d] = inputs[i][w];
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) convolution_step(const ConvolutionSteps a)
{
    after_earlier_launches();
    int convolution = 0;
#pragma unroll
    for (int i = 1; i < CONVOLUTIONS; i++)
    {
        convolution += blockIdx.x >= a.convolutions[i].first_block;
    }

    const StepConvolution& own = a.convolutions[convolution];
    int64 d = (blockIdx.x - own.first_block) * THREADS + threadIdx.x;
    for (int64 first = (int64)blockIdx.y * SEQUENCES; d < own.filters.channels && first < a.batch; first += (int64)gridDim.y * SEQUENCES)
    {
        step(own, a.batch, first, d);
    }
}
