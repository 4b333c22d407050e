// Finding one's tensor in a table of many: tensor i begins at block first_block[i].
#pragma once
#include "prelude.cuh"

// The last tensor that begins at or before a block: empty ones share their first block with the next.
DEVICE int find_tensor(const int64* first_block, int64 tensors, int64 block)
{
    int low = 0;
    int high = (int)tensors;
    while (high - low > 1)
    {
        int middle = (low + high) / 2;
        if (first_block[middle] <= block)
        {
            low = middle;
        }
        else
        {
            high = middle;
        }
    }

    return low;
}
