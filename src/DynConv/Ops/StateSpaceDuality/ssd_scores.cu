// c_i . b_j of the tokens of each chunk, j up to i, else 0: [place, group, CHUNK, CHUNK]. All heads of a group use them. A block makes
// those of one chunk and group; see ssd.cuh.
#include "ssd.cuh"

static constexpr int TILE = CHUNK * pitch_of<Element>(CHUNK);

extern "C" __global__ void __launch_bounds__(THREADS)
    ssd_scores(HeadRows<const Element> b, HeadRows<const Element> c, float* scores, SsdShape shape)
{
    after_earlier_launches();
    Element* left = reinterpret_cast<Element*>(shared_memory);
    Element* right = left + TILE;
    int group = (int)(blockIdx.x % shape.groups);
    ChunkTokens tokens = ChunkTokens::at(shape, blockIdx.x / shape.groups);
    if (tokens.count == 0)
    {
        return;
    }

    float sums[EIGHTHS][4] = {};
    for (int n = 0; n < shape.state_size; n += CHUNK)
    {
        start_tile<CHUNK, ROW_VECTOR>(left, tokens.in(c, group) + n, c.time, tokens.count, shape.state_size - n);
        start_tile<CHUNK, ROW_VECTOR>(right, tokens.in(b, group) + n, b.time, tokens.count, shape.state_size - n);
        copy_async_commit();
        copies_arrive();
        multiply<false, false, CHUNK>(sums, left, right);
        block_barrier();
    }

    float* to = scores + (int64)blockIdx.x * (CHUNK * CHUNK);
    each(sums, [&](float value, int row, int column) { to[row * CHUNK + column] = column <= row ? value : 0.f; });
}
