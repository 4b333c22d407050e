// Where packed sequences begin and end, for each token: bounds = [starts, ends]. One thread a token.
#include "prelude.cuh"

static constexpr int THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS) attention_bounds(
    const int* cumulative_lengths, int sequences, int* bounds, int tokens)
{
    after_earlier_launches();
    int token = blockIdx.x * THREADS + threadIdx.x;
    if (token >= tokens)
    {
        return;
    }

    // The last sequence that starts at the token or before: empty ones start there too, and come earlier.
    int low = 0;
    int high = sequences - 1;
    while (low < high)
    {
        int middle = (low + high + 1) / 2;
        if (cumulative_lengths[middle] <= token)
        {
            low = middle;
        }
        else
        {
            high = middle - 1;
        }
    }

    bounds[token] = cumulative_lengths[low];
    bounds[tokens + token] = cumulative_lengths[low + 1];
}
