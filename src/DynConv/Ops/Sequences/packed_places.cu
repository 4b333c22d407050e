// Where each token of packed sequences stands: where its sequence starts and ends, token_bounds = [starts, ends]; its
// position there; and the same as a byte, at most `most_before`. One thread a token.
#include "prelude.cuh"

static constexpr int THREADS = 256;

extern "C" __global__ void __launch_bounds__(THREADS) packed_places(
    const int64* bounds,
    int64 sequences,
    int tokens,
    int most_before,
    int* token_bounds,
    int* positions,
    uint8* short_positions)
{
    after_earlier_launches();
    int64 token = (int64)blockIdx.x * THREADS + threadIdx.x;
    if (token >= tokens)
    {
        return;
    }

    // The last sequence that starts at the token or before: empty ones start there too, and come earlier.
    int64 low = 0;
    int64 high = sequences - 1;
    while (low < high)
    {
        int64 middle = (low + high + 1) / 2;
        if (bounds[middle] <= token)
        {
            low = middle;
        }
        else
        {
            high = middle - 1;
        }
    }

    int position = (int)(token - bounds[low]);
    token_bounds[token] = (int)bounds[low];
    token_bounds[tokens + token] = (int)bounds[low + 1];
    positions[token] = position;
    short_positions[token] = (uint8)minimum(position, most_before);
}
