// The states before chunks, from the first to the last: S <- e^{G_C} S + Σ_j e^{G_C-G_j} dt_j b_j x_jᵀ. In the backward pass the second
// half of the blocks, blockIdx.y = 1, computes the gradients of the states behind chunks meanwhile, from the last to the first:
// dS <- e^{G_C} dS + Σ_i e^{G_i} c_i dy_iᵀ. A block keeps CHUNK rows and COLUMNS columns of the state of one head of one sequence; see
// ssd.cuh.
#include "ssd.cuh"

// What goes into states, and where they go.
struct SsdChain
{
    HeadRows<const Element> rows;    // b or c
    HeadRows<const Element> columns; // x or dy; zeros if there are none
    const float* from;               // the states at the start, [sequence, head, P, N]; zeros if null
    float* to;                       // those at the end, where wanted
    Element* states;                 // those between
};

static constexpr int ROW_TILE = CHUNK * pitch_of<Element>(CHUNK);

extern "C" __global__ void __launch_bounds__(THREADS)
    ssd_states(SsdChain forward, SsdChain backward, const ChunkDecays* decays, SsdShape shape)
{
    after_earlier_launches();
    bool is_backward = blockIdx.y > 0;
    SsdChain chain = forward;
    if (is_backward)
    {
        chain = backward;
    }

    __shared__ ChunkDecays decays_of[2];
    Element* left = reinterpret_cast<Element*>(shared_memory);
    Element* right = left + 2 * ROW_TILE;
    int64 block = blockIdx.x;
    int p = (int)(block % shape.head_pieces()) * COLUMNS;
    block /= shape.head_pieces();
    int n = (int)(block % shape.state_pieces()) * CHUNK;
    block /= shape.state_pieces();
    int head = (int)(block % shape.heads);
    int64 sequence = block / shape.heads;
    int group = head / shape.heads_a_group();
    int rows_left = shape.state_size - n;
    int columns_left = shape.head_size - p;
    int64 end = (sequence * shape.heads + head) * shape.state_size * shape.head_size + (int64)p * shape.state_size + n;
    float state[COLUMN_EIGHTHS][4];
    each(state, [&](float& value, int row, int column) {
        bool is_there = chain.from != nullptr && row < rows_left && column < columns_left;
        value = is_there ? chain.from[end + (int64)column * shape.state_size + row] : 0.f;
    });
    int64 chunks = (shape.begin(sequence + 1) - shape.begin(sequence) + CHUNK - 1) / CHUNK;
    RowsOnTheWay<COLUMNS, VECTOR> column_rows;

    // A chunk is fetched while the one before it is multiplied.
    auto start = [&](int64 i) {
        ChunkTokens tokens(shape, sequence, is_backward ? chunks - 1 - i : i);
        start_decays(decays_of[i % 2], decays, shape, tokens.place, head);
        start_tile<CHUNK, ROW_VECTOR>(left + i % 2 * ROW_TILE, tokens.in(chain.rows, group) + n, chain.rows.time, tokens.count, rows_left);
        copy_async_commit();
        column_rows.load(
            tokens.in(chain.columns, head) + p, chain.columns.time, chain.columns.start == nullptr ? 0 : tokens.count, columns_left);
        return tokens.place;
    };
    int64 place = chunks > 0 ? start(0) : 0;
    for (int64 i = 0; i < chunks; i++)
    {
        const ChunkDecays& here = decays_of[i % 2];
        copies_arrive();
        column_rows.store_scaled(right, is_backward ? here.from_start : here.to_state);
        Element* between = chain.states + shape.state_at(place, head, n, p);
        store_result<true>(between, shape.width(), state, rows_left, shape.width() - p);
        if (i + 1 < chunks)
        {
            place = start(i + 1);
        }

        each(state, [&](float& value, int, int) { value *= here.whole(); });
        block_barrier();
        multiply<true, true, CHUNK>(state, left + i % 2 * ROW_TILE, right);
    }

    if (chain.to != nullptr)
    {
        each(state, [&](float value, int row, int column) {
            if (row < rows_left && column < columns_left)
            {
                chain.to[end + (int64)column * shape.state_size + row] = value;
            }
        });
    }
}
