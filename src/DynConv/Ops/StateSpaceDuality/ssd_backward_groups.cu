// Gradients of b and c, and what of dt's and a's goes by way of the state before each chunk. A block takes CHUNK elements of the rows of
// b and c in one chunk, and HEADS heads of their group; see ssd.cuh. With S the state before the chunk and dS the gradient of that behind:
//   dc_i = Σ_heads e^{G_i} S dy_i + Σ_j d(c_i . b_j) b_j,   db_j = Σ_heads e^{G_C-G_j} dt_j dS x_j + Σ_i d(c_i . b_j) c_i,
// and the gradient of the decay of token t is the sum of e^{G_i} c_i . S dy_i over i >= t, and e^{G_C} times that of S dS.
//
// Parts, which other kernels add up: db, dc [part, token, group, N]; ddt [piece of N, token, head]; da [piece of N, place, head].
//
// Macro: HEADS (heads of a block).
#include "ssd.cuh"

static constexpr int WARPS = THREADS / WARP;
static constexpr int SQUARE_TILE = CHUNK * pitch_of<Element>(CHUNK);
static constexpr int COLUMN_TILE = CHUNK * pitch_of<Element>(COLUMNS);

struct SsdGroupGradients
{
    float* db;
    float* dc;
    float* ddt;
    float* da;
};

extern "C" __global__ void __launch_bounds__(THREADS, COLUMNS == CHUNK ? 2 : 3) ssd_backward_groups(
    HeadRows<const Element> x, const ChunkDecays* all_decays, const float* a, HeadRows<const Element> b, HeadRows<const Element> c,
    HeadRows<const Element> dy, const Element* states, const Element* dstates, const float* dscores, SsdGroupGradients gradients,
    SsdShape shape)
{
    after_earlier_launches();
    __shared__ ChunkDecays decays_of[2];
    __shared__ float read[CHUNK];
    __shared__ float scratch[3][WARPS];
    Element* reading = reinterpret_cast<Element*>(shared_memory);
    Element* tiles = reading + SQUARE_TILE;
    int parts = (shape.heads_a_group() + HEADS - 1) / HEADS;
    int64 block = blockIdx.x;
    int piece = (int)(block % shape.state_pieces());
    block /= shape.state_pieces();
    int part = (int)(block % parts);
    block /= parts;
    int group = (int)(block % shape.groups);
    int64 place = block / shape.groups;
    ChunkTokens tokens = ChunkTokens::at(shape, place);
    int n = piece * CHUNK;
    int left = shape.state_size - n;
    int first_head = group * shape.heads_a_group() + part * HEADS;
    int end_head = minimum(first_head + HEADS, (group + 1) * shape.heads_a_group());
    float* da = gradients.da + ((int64)piece * shape.places() + place) * shape.heads;
    if (tokens.count == 0)
    {
        for (int head = first_head + (int)threadIdx.x; head < end_head; head += THREADS)
        {
            da[head] = 0.f;
        }

        return;
    }

    int upstream_rows = dy.start == nullptr ? 0 : tokens.count;
    int head_pieces = shape.head_pieces();
    int steps = (end_head - first_head) * head_pieces;

    // A step is one piece of one head; the next is fetched while one is computed.
    auto start = [&](int step) {
        int head = first_head + step / head_pieces;
        int p = step % head_pieces * COLUMNS;
        int columns_left = shape.head_size - p;
        int64 at = shape.state_at(place, head, n, p);
        Element* to = tiles + step % 2 * 4 * COLUMN_TILE;
        if (p == 0)
        {
            start_decays(decays_of[step / head_pieces % 2], all_decays, shape, place, head);
        }

        start_tile<COLUMNS, VECTOR>(to, tokens.in(x, head) + p, x.time, tokens.count, columns_left);
        start_tile<COLUMNS, VECTOR>(to + COLUMN_TILE, tokens.in(dy, head) + p, dy.time, upstream_rows, columns_left);
        start_tile<COLUMNS, WIDE>(to + 2 * COLUMN_TILE, states + at, shape.width(), left, shape.width() - p);
        start_tile<COLUMNS, WIDE>(to + 3 * COLUMN_TILE, dstates + at, shape.width(), left, shape.width() - p);
        copy_async_commit();
    };
    start_tile<CHUNK, ROW_VECTOR>(reading, tokens.in(c, group) + n, c.time, tokens.count, left);
    if (steps > 0)
    {
        start(0);
    }

    float db[EIGHTHS][4] = {};
    float dc[EIGHTHS][4] = {};
    float read_here[2] = {};
    float product = 0.f;
    for (int step = 0; step < steps; step++)
    {
        if (step + 1 < steps)
        {
            start(step + 1);
            copies_arrive<1>();
        }
        else
        {
            copies_arrive();
        }

        const Element* input = tiles + step % 2 * 4 * COLUMN_TILE;
        const Element* upstream = input + COLUMN_TILE;
        const Element* state = upstream + COLUMN_TILE;
        const Element* gradient = state + COLUMN_TILE;
        const ChunkDecays& decays = decays_of[step / head_pieces % 2];
        {
            float from_state[EIGHTHS][4] = {};
            multiply<false, false, COLUMNS>(from_state, upstream, state);
            each_numbered(from_state, [&](float value, int row, int column, int n, int k) {
                float decayed = decays.from_start[row] * value;
                float with = to_float(reading[row * pitch_of<Element>(CHUNK) + column]);
                read_here[k / 2] = fused_multiply_add(decayed, with, read_here[k / 2]);
                dc[n][k] += decayed;
            });
        }

        {
            float to_state[EIGHTHS][4] = {};
            multiply<false, false, COLUMNS>(to_state, input, gradient);
            each_numbered(to_state, [&](float value, int row, int, int n, int k) {
                db[n][k] = fused_multiply_add(decays.to_state[row], value, db[n][k]);
            });
        }

#pragma unroll
        for (int i = 0; i < CHUNK * COLUMNS / WIDE / THREADS; i++)
        {
            int piece = i * THREADS + threadIdx.x;
            int at = piece / (COLUMNS / WIDE) * pitch_of<Element>(COLUMNS) + piece % (COLUMNS / WIDE) * WIDE;
            auto a = Packet<Element, WIDE>::load(state + at);
            auto b = Packet<Element, WIDE>::load(gradient + at);
#pragma unroll
            for (int k = 0; k < WIDE; k++)
            {
                product = fused_multiply_add(a[k], b[k], product);
            }
        }

        if ((step + 1) % head_pieces > 0)
        {
            block_barrier();
            continue;
        }

        // What belongs to the head alone.
        int head = first_head + step / head_pieces;
        leave_row_sums(read, read_here);
        read_here[0] = read_here[1] = 0.f;
        float decayed_product = decays.whole() * block_sum<THREADS>(product, scratch[0]);
        product = 0.f;

        // Threads take tokens from the last on, so that sums over later ones are sums over threads before.
        int t = CHUNK - 1 - (int)threadIdx.x;
        float value = t >= 0 ? read[t] : 0.f;
        float decay_gradient = sum_before(value, scratch[1]) + value + decayed_product;
        if (t >= 0 && t < tokens.count)
        {
            gradients.ddt[((int64)piece * shape.tokens() + tokens.token(shape, t)) * shape.heads + head] = a[head] * decay_gradient;
        }

        float rate_gradient = block_sum<THREADS>(t >= 0 ? decays.dt[t] * decay_gradient : 0.f, scratch[2]);
        if (threadIdx.x == 0)
        {
            da[head] = rate_gradient;
        }

        block_barrier();
    }

    // By way of the products c_i . b_j of these heads.
    Element* square = tiles;
    Element* rows = square + SQUARE_TILE;
    start_tile<CHUNK, ROW_VECTOR>(rows, tokens.in(b, group) + n, b.time, tokens.count, left);
    copy_async_commit();
    const float* pairs = dscores + (((int64)part * shape.places() + place) * shape.groups + group) * (CHUNK * CHUNK);
    for (int i = threadIdx.x; i < CHUNK * CHUNK; i += THREADS)
    {
        square[i / CHUNK * pitch_of<Element>(CHUNK) + i % CHUNK] = from_float<Element>(pairs[i]);
    }

    copies_arrive();
    multiply<false, true, CHUNK>(dc, square, rows);
    multiply<true, true, CHUNK>(db, square, reading);
    int64 to = (((int64)part * shape.tokens() + tokens.token(shape, 0)) * shape.groups + group) * shape.state_size + n;
    int64 stride = (int64)shape.groups * shape.state_size;
    each(dc, [&](float value, int row, int column) {
        if (row < tokens.count && column < left)
        {
            gradients.dc[to + row * stride + column] = value;
        }
    });
    each(db, [&](float value, int row, int column) {
        if (row < tokens.count && column < left)
        {
            gradients.db[to + row * stride + column] = value;
        }
    });
}
