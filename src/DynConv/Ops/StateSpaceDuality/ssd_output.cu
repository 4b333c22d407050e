// y_i = e^{G_i} Sᵀ c_i + Σ_{j<=i} e^{G_i-G_j} dt_j (c_i . b_j) x_j + D x_i, given the states before chunks (ssd_states.cu) and the
// products c_i . b_j (ssd_scores.cu). A block makes COLUMNS channels of one head in one chunk; see ssd.cuh.
#include "ssd.cuh"

static constexpr int ROW_TILE = CHUNK * pitch_of<Element>(CHUNK);

extern "C" __global__ void __launch_bounds__(THREADS) ssd_output(
    HeadRows<const Element> x, const ChunkDecays* all_decays, HeadRows<const Element> c, const float* d, const Element* states,
    const float* scores, HeadRows<Element> y, SsdShape shape)
{
    after_earlier_launches();
    __shared__ ChunkDecays decays;
    Element* left = reinterpret_cast<Element*>(shared_memory);
    Element* right = left + ROW_TILE;
    int64 block = blockIdx.x;
    int p = (int)(block % shape.head_pieces()) * COLUMNS;
    block /= shape.head_pieces();
    int head = (int)(block % shape.heads);
    int group = head / shape.heads_a_group();
    ChunkTokens tokens = ChunkTokens::at(shape, block / shape.heads);
    int columns_left = shape.head_size - p;
    if (tokens.count == 0)
    {
        return;
    }

    start_decays(decays, all_decays, shape, tokens.place, head);
    float sums[COLUMN_EIGHTHS][4] = {};
    for (int n = 0; n < shape.state_size; n += CHUNK)
    {
        const Element* state = states + shape.state_at(tokens.place, head, n, p);
        start_tile<CHUNK, ROW_VECTOR>(left, tokens.in(c, group) + n, c.time, tokens.count, shape.state_size - n);
        start_tile<COLUMNS, WIDE>(right, state, shape.width(), shape.state_size - n, shape.width() - p);
        copy_async_commit();
        copies_arrive();
        multiply<false, true, CHUNK>(sums, left, right);
        block_barrier();
    }

    start_tile<COLUMNS, VECTOR>(right, tokens.in(x, head) + p, x.time, tokens.count, columns_left);
    copy_async_commit();
    const float* pairs = scores + (tokens.place * shape.groups + group) * (CHUNK * CHUNK);
    float weights[EIGHTHS][4];
    each(weights, [&](float& value, int i, int j) { value = pairs[i * CHUNK + j] * decays.between(i, j) * decays.dt[j]; });
    round_result(left, weights);
    copies_arrive();
    float skip = d == nullptr ? 0.f : d[head];
    each(sums, [&](float& value, int row, int column) {
        value = value * decays.from_start[row] + skip * to_float(right[row * pitch_of<Element>(COLUMNS) + column]);
    });
    multiply<false, true, CHUNK>(sums, left, right);
    store_result<(VECTOR > 1)>(tokens.in(y, head) + p, y.time, sums, tokens.count, columns_left);
}
