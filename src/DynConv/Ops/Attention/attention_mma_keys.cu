// Gradients of keys and values of bfloat16 heads on the tensor cores. A block takes ROWS keys of one head and
// walks the queries of all heads that share it, tile by tile, in a fixed order. Scores are computed with keys as rows, so
// that probabilities p and score gradients ds are left operands where they arise:
//   p = exp(scale k q^T - l), dv += p dy, ds = p (v dy^T - d), dk += scale ds q.
// Reads q, k, v, dy and (l, d) of each query, l as an exponent of 2; writes dk and dv, either may be null.
// Macros: HEAD, WARPS, TILES (16-row tiles of a warp), QUERIES (of a tile), CHUNK (queries whose scores are held at a
// time), KEPT (k, v stay in registers).
#include "attention_mma.cuh"

static constexpr int ROWS = WARPS * TILES * 16;

typedef float Scores[TILES][CHUNK / 8][4];

// What a tile of queries brings: rows of q, rows of dy, (l, d).
static constexpr int STAGE_BYTES = QUERIES * (2 * PITCH * (int)sizeof(bf16) + 2 * (int)sizeof(float));

struct Stage
{
    bf16 *q, *dy;
    float* statistics;

    DEVICE explicit Stage(void* start)
        : q((bf16*)start), dy(q + QUERIES * PITCH), statistics((float*)(dy + QUERIES * PITCH))
    {
    }
};

DEVICE void mask(Scores& s, const AttentionShape& shape, int first_key, int first_query)
{
#pragma unroll
    for (int i = 0; i < 2 * TILES; i++)
    {
        int key = first_key + i * 8 + lane_row();
        hide_columns<TILES, CHUNK>(
            s, i, shape.first_query(key) - first_query, shape.end_query(key) - first_query);
    }
}

// From the products s = k q^T and ds = v dy^T to p and ds.
DEVICE void differentiate(Scores& s, Scores& ds, const float* statistics, float scale)
{
#pragma unroll
    for (int n = 0; n < CHUNK / 8; n++)
    {
        Packet<float, 4> pair = Packet<float, 4>::load(statistics + 2 * (n * 8 + lane_column()));
#pragma unroll
        for (int i = 0; i < 4 * TILES; i++)
        {
            float& p = s[i / 4][n][i % 4];
            float& gradient = ds[i / 4][n][i % 4];
            p = exp2_fast(fused_multiply_add(p, scale, -pair[i % 2 * 2]));
            gradient = p * (gradient - pair[i % 2 * 2 + 1]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_mma_keys(
    HeadRows<const bf16> q, HeadRows<const bf16> k, HeadRows<const bf16> v, HeadRows<const bf16> dy,
    const float* statistics, int padded_queries, HeadRows<bf16> dk, HeadRows<bf16> dv, int accumulate_dk,
    int accumulate_dv, AttentionShape shape, int together)
{
    after_earlier_launches();
    bf16* keys = reinterpret_cast<bf16*>(shared_memory);
    bf16* values = keys + ROWS * PITCH;
    uint8* stages = reinterpret_cast<uint8*>(values + ROWS * PITCH);

    int tiles = (shape.keys + ROWS - 1) / ROWS;
    TileOfHead place = tile_of_block(blockIdx.x, tiles, shape.batches * shape.key_heads, together);
    int b = place.head / shape.key_heads;
    int key_head = place.head % shape.key_heads;
    int first_key = place.rank * ROWS;
    int begin = shape.first_query(first_key) / QUERIES * QUERIES;
    int end = shape.end_query(first_key + ROWS - 1);
    int tiles_of_head = (end - begin + QUERIES - 1) / QUERIES;
    int count = tiles_of_head * shape.shared_heads();

    auto start = [&](int i)
    {
        Stage to(stages + i % 2 * STAGE_BYTES);
        int h = key_head * shape.shared_heads() + i / tiles_of_head;
        int first = begin + i % tiles_of_head * QUERIES;
        start_rows<QUERIES>(to.q, q.of(b, h), q.time, first, shape.queries);
        start_rows<QUERIES>(to.dy, dy.of(b, h), dy.time, first, shape.queries);
        const float* pairs = statistics + ((int64)(b * shape.heads + h) * padded_queries + first) * 2;
        if (threadIdx.x < QUERIES / 2)
        {
            copy_async16(to.statistics + threadIdx.x * 4, pairs + threadIdx.x * 4);
        }

        copy_async_commit();
    };

    start_rows<ROWS>(keys, k.of(b, key_head), k.time, first_key, shape.keys);
    start_rows<ROWS>(values, v.of(b, key_head), v.time, first_key, shape.keys);
    copy_async_commit();
    if (count > 0)
    {
        start(0);
    }

    copy_async_wait<0>();
    block_barrier();

    int own_row = threadIdx.x / WARP * TILES * 16;
    LeftRows<TILES, CHANNELS, KEPT> left_keys(keys + own_row * PITCH);
    LeftRows<TILES, CHANNELS, KEPT> left_values(values + own_row * PITCH);
    float key_sum[TILES][CHANNELS / 8][4] = {};
    float value_sum[TILES][CHANNELS / 8][4] = {};
    float scale = shape.scale * LOG2_E;
    int first_key_of_warp = first_key + own_row;

    // Queries that see all keys of the warp.
    int all_seen_from = shape.first_query(first_key_of_warp + TILES * 16 - 1);
    int all_seen_to = shape.end_query(first_key_of_warp);
    for (int i = 0; i < count; i++)
    {
        if (i + 1 < count)
        {
            start(i + 1);
        }

        Stage tile(stages + i % 2 * STAGE_BYTES);
        int first_query = begin + i % tiles_of_head * QUERIES;
        bool masked = first_query < all_seen_from || first_query + QUERIES > all_seen_to;
#pragma unroll 1
        for (int c = 0; c < QUERIES; c += CHUNK)
        {
            Scores s = {}, ds = {};
            multiply_rows<TILES, CHUNK>(s, left_keys, tile.q + c * PITCH);
            multiply_rows<TILES, CHUNK>(ds, left_values, tile.dy + c * PITCH);
            if (masked)
            {
                mask(s, shape, first_key_of_warp, first_query + c);
            }

            differentiate(s, ds, tile.statistics + 2 * c, scale);
            uint32 weights[TILES][CHUNK / 16][4];
            round_tiles<TILES, CHUNK>(weights, s);
            add_weighted_rows<TILES, CHUNK>(value_sum, weights, tile.dy + c * PITCH);
            round_tiles<TILES, CHUNK>(weights, ds);
            add_weighted_rows<TILES, CHUNK>(key_sum, weights, tile.q + c * PITCH);
        }

        copy_async_wait<0>();
        block_barrier();
    }

    if (dk.start)
    {
        put_rows<TILES>(
            dk.of(b, key_head), dk.time, key_sum, first_key_of_warp, shape.keys, shape.scale, accumulate_dk);
    }

    if (dv.start)
    {
        put_rows<TILES>(dv.of(b, key_head), dv.time, value_sum, first_key_of_warp, shape.keys, 1.f, accumulate_dv);
    }
}
