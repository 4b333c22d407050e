// Causal attention of bfloat16 heads on the tensor cores. A block takes ROWS queries of one head and walks their keys
// from the last tile to the first, the next tile under way while it works on one; nothing of the scores leaves the
// registers. Reads q, k, v; writes y and, for each query, the logarithm of its sum of exponentials.
// Macros: HEAD, WARPS, TILES (16-row tiles of a warp), KEYS (of a tile), KEPT (queries stay in registers).
#include "attention_mma.cuh"

static constexpr int ROWS = WARPS * TILES * 16;

typedef float Scores[TILES][KEYS / 8][4];

// Exponentials may grow to 2^SLACK before the scores they are relative to are brought up to date: sums in float32 have room
// for that, and what is summed seldom has to be scaled again.
static constexpr float SLACK = 8.f;

// Scores that exponentials are relative to and sums of these, of the rows that this lane holds parts of; the sums are
// those of the lane's own columns.
struct Softmax
{
    float top[TILES][2];
    float sum[TILES][2];
};

DEVICE void mask(Scores& s, const AttentionShape& shape, int first_row, int first_key)
{
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        int query = first_row + i * 8 + lane_row();
        hide_columns<TILES, KEYS>(s, i, shape.first_key(query) - first_key, shape.end_key(query) - first_key);
    }
}

// Scores become exponentials.
DEVICE void exponentials(Scores& s, Softmax& softmax, float (&sum)[TILES][CHANNELS / 8][4], float scale)
{
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        float (&rows)[KEYS / 8][4] = s[i / 2];
        int half = i % 2 * 2;
        float& top = softmax.top[i / 2][i % 2];
        float& total = softmax.sum[i / 2][i % 2];
        float high = rows[0][half];
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
        {
            high = larger(high, larger(rows[n][half], rows[n][half + 1]));
        }

        high = larger(high, shuffle_xor(high, 1));
        high = larger(high, shuffle_xor(high, 2));

        // Also for a row's first keys; not for a row that has seen none yet.
        if ((high - top) * scale > SLACK)
        {
            float shrink = exp2_fast((top - high) * scale);
            top = high;
            total *= shrink;
#pragma unroll
            for (int c = 0; c < CHANNELS / 8; c++)
            {
                sum[i / 2][c][half] *= shrink;
                sum[i / 2][c][half + 1] *= shrink;
            }
        }

        float offset = top == -infinity() ? 0.f : top * scale;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
        {
            rows[n][half] = exp2_fast(fused_multiply_add(rows[n][half], scale, -offset));
            rows[n][half + 1] = exp2_fast(fused_multiply_add(rows[n][half + 1], scale, -offset));
            total += rows[n][half] + rows[n][half + 1];
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_mma_forward(
    HeadRows<const bf16> q, HeadRows<const bf16> k, HeadRows<const bf16> v, HeadRows<bf16> y, float* statistics,
    AttentionShape shape, int together)
{
    after_earlier_launches();
    bf16* queries = reinterpret_cast<bf16*>(shared_memory);
    bf16* stages = queries + ROWS * PITCH;
    constexpr int stage = 2 * KEYS * PITCH;

    int tiles = (shape.queries + ROWS - 1) / ROWS;
    TileOfHead place = tile_of_block(blockIdx.x, tiles, shape.batches * shape.heads, together);
    int b = place.head / shape.heads;
    int h = place.head % shape.heads;
    int first_row = (tiles - 1 - place.rank) * ROWS;
    int last_row = minimum(first_row + ROWS, shape.queries) - 1;
    const bf16* keys = k.of(b, h / shape.shared_heads());
    const bf16* values = v.of(b, h / shape.shared_heads());
    int begin = shape.first_key(first_row);
    int end = shape.end_key(last_row);

    auto start = [&](int i)
    {
        bf16* to = stages + i % 2 * stage;
        start_rows<KEYS>(to, keys, k.time, begin + i * KEYS, end);
        start_rows<KEYS>(to + KEYS * PITCH, values, v.time, begin + i * KEYS, end);
        copy_async_commit();
    };

    int last = (end - begin + KEYS - 1) / KEYS - 1;
    start_rows<ROWS>(queries, q.of(b, h), q.time, first_row, shape.queries);
    start(last);
    copy_async_wait<0>();
    block_barrier();

    int own_row = threadIdx.x / WARP * TILES * 16;
    LeftRows<TILES, CHANNELS, KEPT> left(queries + own_row * PITCH);
    float sum[TILES][CHANNELS / 8][4] = {};
    Softmax softmax = {};
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        softmax.top[i / 2][i % 2] = -infinity();
    }

    float scale = shape.scale * LOG2_E;
    int first_row_of_warp = first_row + own_row;
    int last_row_of_warp = first_row_of_warp + TILES * 16 - 1;

    // Keys that all rows of the warp see.
    int all_see_from = shape.first_key(last_row_of_warp);
    int all_see_to = shape.end_key(first_row_of_warp);
    for (int i = last; i >= 0; i--)
    {
        if (i > 0)
        {
            start(i - 1);
        }

        const bf16* tile = stages + i % 2 * stage;
        int first_key = begin + i * KEYS;
        if (first_key < shape.end_key(last_row_of_warp))
        {
            Scores s = {};
            multiply_rows<TILES, KEYS>(s, left, tile);
            if (first_key < all_see_from || first_key + KEYS > all_see_to)
            {
                mask(s, shape, first_row_of_warp, first_key);
            }

            exponentials(s, softmax, sum, scale);
            uint32 weights[TILES][KEYS / 16][4];
            round_tiles<TILES, KEYS>(weights, s);
            add_weighted_rows<TILES, KEYS>(sum, weights, tile + KEYS * PITCH);
        }

        copy_async_wait<0>();
        block_barrier();
    }

    bf16* results = y.of(b, h);
    float* logarithms = statistics + (int64)place.head * shape.queries;
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        float total = softmax.sum[i / 2][i % 2];
        total += shuffle_xor(total, 1);
        total += shuffle_xor(total, 2);
        int row = first_row_of_warp + i * 8 + lane_row();
        if (row < shape.queries)
        {
            put_row(results + row * y.time, sum[i / 2], i % 2, 1.f / total, false);
            if (lane_column() == 0)
            {
                logarithms[row] = (softmax.top[i / 2][i % 2] * scale + log2_fast(total)) * LN_2;
            }
        }
    }
}
