// Gradient of queries of bfloat16 heads on the tensor cores. A block takes ROWS queries of one head and walks their keys
// tile by tile, in a fixed order, computing the scores again:
//   p = exp(scale q k^T - l), ds = p (dy v^T - d), dq += scale ds k.
// Reads q, k, v, dy and (l, d) of each query, l as an exponent of 2; writes dq.
// Macros: HEAD, WARPS, TILES (16-row tiles of a warp), KEYS (of a tile), CHUNK (keys whose scores are held at a time),
// KEPT (q, dy stay in registers).
#include "attention_mma.cuh"

static constexpr int ROWS = WARPS * TILES * 16;

typedef float Scores[TILES][CHUNK / 8][4];

// (l, d) of the rows that this lane holds parts of.
typedef float RowStatistics[TILES][2][2];

DEVICE void mask(Scores& s, const AttentionShape& shape, int first_query, int first_key)
{
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        int query = first_query + i * 8 + lane_row();
        hide_columns<TILES, CHUNK>(s, i, shape.first_key(query) - first_key, shape.end_key(query) - first_key);
    }
}

// From the products s = q k^T and ds = dy v^T to ds.
DEVICE void differentiate(const Scores& s, Scores& ds, const RowStatistics& statistics, float scale)
{
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        float logarithm = statistics[i / 2][i % 2][0];
        float inner = statistics[i / 2][i % 2][1];
#pragma unroll
        for (int n = 0; n < CHUNK / 8; n++)
        {
#pragma unroll
            for (int e = 0; e < 2; e++)
            {
                int at = i % 2 * 2 + e;
                float p = exp2_fast(fused_multiply_add(s[i / 2][n][at], scale, -logarithm));
                ds[i / 2][n][at] = p * (ds[i / 2][n][at] - inner);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_mma_queries(
    HeadRows<const bf16> q, HeadRows<const bf16> k, HeadRows<const bf16> v, HeadRows<const bf16> dy,
    const float* statistics, int padded_queries, HeadRows<bf16> dq, int accumulate, AttentionShape shape, int together)
{
    after_earlier_launches();
    bf16* queries = reinterpret_cast<bf16*>(shared_memory);
    bf16* upstream = queries + ROWS * PITCH;
    bf16* stages = upstream + ROWS * PITCH;
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

    start_rows<ROWS>(queries, q.of(b, h), q.time, first_row, shape.queries);
    start_rows<ROWS>(upstream, dy.of(b, h), dy.time, first_row, shape.queries);
    start(0);

    int own_row = threadIdx.x / WARP * TILES * 16;
    RowStatistics row_statistics;
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        int row = first_row + own_row + i * 8 + lane_row();
        int64 at = (int64)place.head * padded_queries + minimum(row, padded_queries - 1);
        row_statistics[i / 2][i % 2][0] = statistics[at * 2];
        row_statistics[i / 2][i % 2][1] = statistics[at * 2 + 1];
    }

    copy_async_wait<0>();
    block_barrier();
    LeftRows<TILES, CHANNELS, KEPT> left_queries(queries + own_row * PITCH);
    LeftRows<TILES, CHANNELS, KEPT> left_upstream(upstream + own_row * PITCH);
    float sum[TILES][CHANNELS / 8][4] = {};
    float scale = shape.scale * LOG2_E;
    int first_row_of_warp = first_row + own_row;
    int last_row_of_warp = first_row_of_warp + TILES * 16 - 1;

    // Keys that all rows of the warp see.
    int all_see_from = shape.first_key(last_row_of_warp);
    int all_see_to = shape.end_key(first_row_of_warp);
    for (int i = 0; begin + i * KEYS < end; i++)
    {
        if (begin + (i + 1) * KEYS < end)
        {
            start(i + 1);
        }

        const bf16* tile = stages + i % 2 * stage;
        int first_key = begin + i * KEYS;
        bool masked = first_key < all_see_from || first_key + KEYS > all_see_to;
#pragma unroll 1
        for (int c = 0; c < KEYS; c += CHUNK)
        {
            Scores s = {}, ds = {};
            multiply_rows<TILES, CHUNK>(s, left_queries, tile + c * PITCH);
            multiply_rows<TILES, CHUNK>(ds, left_upstream, tile + (KEYS + c) * PITCH);
            if (masked)
            {
                mask(s, shape, first_row_of_warp, first_key + c);
            }

            differentiate(s, ds, row_statistics, scale);
            uint32 weights[TILES][CHUNK / 16][4];
            round_tiles<TILES, CHUNK>(weights, ds);
            add_weighted_rows<TILES, CHUNK>(sum, weights, tile + c * PITCH);
        }

        copy_async_wait<0>();
        block_barrier();
    }

    put_rows<TILES>(dq.of(b, h), dq.time, sum, first_row_of_warp, shape.queries, shape.scale, accumulate);
}
