// Gradients of attention in float32 arithmetic, in a fixed order. With l and d of each query:
//   p = exp(scale q k^T - l), ds = p (dy v^T - d), dv += p^T dy, dk += scale ds^T q, dq += scale ds k.
// attention_scalar_queries: a block takes TILE queries of one head and walks their keys; writes dq.
// attention_scalar_keys: a block takes TILE keys of one head and walks the queries of all heads that share it; writes dk
// and dv, either may be null.
#include "attention_scalar.cuh"

// From s = q k^T and ds = dy v^T, one of them a query's and one a key's, to p and ds.
DEVICE void differentiate(float& s, float& ds, bool visible, float scale, const float* pair)
{
    float p = visible ? exp_of(s * scale - pair[0]) : 0.f;
    s = p;
    ds = p * (ds - pair[1]);
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_scalar_queries(
    HeadRows<const Element> q, HeadRows<const Element> k, HeadRows<const Element> v, HeadRows<const Element> dy,
    const float* statistics, int padded_queries, HeadRows<Element> dq, int accumulate, AttentionShape shape,
    int together)
{
    after_earlier_launches();
    float* queries = reinterpret_cast<float*>(shared_memory);
    float* upstream = queries + TILE_FLOATS;
    float* keys = upstream + TILE_FLOATS;
    float* values = keys + TILE_FLOATS;
    float* weights = values + TILE_FLOATS;

    int tiles = (shape.queries + TILE - 1) / TILE;
    TileOfHead place = tile_of_block(blockIdx.x, tiles, shape.batches * shape.heads, together);
    int b = place.head / shape.heads;
    int h = place.head % shape.heads;
    int key_head = h / shape.shared_heads();
    int first_query = (tiles - 1 - place.rank) * TILE;
    int end = shape.end_key(minimum(first_query + TILE, shape.queries) - 1);
    const float* pairs = statistics + ((int64)place.head * padded_queries + first_query) * 2;
    load_rows(queries, q.of(b, h), q.time, first_query, shape.queries);
    load_rows(upstream, dy.of(b, h), dy.time, first_query, shape.queries);

    Sums sum = {};
    for (int first_key = shape.first_key(first_query); first_key < end; first_key += TILE)
    {
        block_barrier();
        load_rows(keys, k.of(b, key_head), k.time, first_key, end);
        load_rows(values, v.of(b, key_head), v.time, first_key, end);
        block_barrier();
        Scores s, ds;
        row_products(s, queries, keys);
        row_products(ds, upstream, values);
#pragma unroll
        for (int i = 0; i < OWN; i++)
        {
            int row = own_row() + i * SIDE;
            int from = shape.first_key(first_query + row);
            int to = shape.end_key(first_query + row);
#pragma unroll
            for (int j = 0; j < OWN; j++)
            {
                int key = first_key + own_column() + j * SIDE;
                differentiate(s[i][j], ds[i][j], key >= from && key < to, shape.scale, pairs + row * 2);
            }
        }

        share_weights(weights, ds);
        add_weighted_rows(sum, weights, keys);
    }

    put_rows(dq.of(b, h), dq.time, sum, first_query, shape.queries, shape.scale, accumulate);
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_scalar_keys(
    HeadRows<const Element> q, HeadRows<const Element> k, HeadRows<const Element> v, HeadRows<const Element> dy,
    const float* statistics, int padded_queries, HeadRows<Element> dk, HeadRows<Element> dv, int accumulate_dk,
    int accumulate_dv, AttentionShape shape, int together)
{
    after_earlier_launches();
    float* keys = reinterpret_cast<float*>(shared_memory);
    float* values = keys + TILE_FLOATS;
    float* queries = values + TILE_FLOATS;
    float* upstream = queries + TILE_FLOATS;
    float* weights = upstream + TILE_FLOATS;

    int tiles = (shape.keys + TILE - 1) / TILE;
    TileOfHead place = tile_of_block(blockIdx.x, tiles, shape.batches * shape.key_heads, together);
    int b = place.head / shape.key_heads;
    int key_head = place.head % shape.key_heads;
    int first_key = place.rank * TILE;
    int begin = shape.first_query(first_key) / TILE * TILE;
    int end = shape.end_query(first_key + TILE - 1);
    load_rows(keys, k.of(b, key_head), k.time, first_key, shape.keys);
    load_rows(values, v.of(b, key_head), v.time, first_key, shape.keys);

    Sums key_sum = {};
    Sums value_sum = {};
    for (int h = key_head * shape.shared_heads(); h < (key_head + 1) * shape.shared_heads(); h++)
    {
        const float* pairs = statistics + (int64)(b * shape.heads + h) * padded_queries * 2;
        for (int first_query = begin; first_query < end; first_query += TILE)
        {
            block_barrier();
            load_rows(queries, q.of(b, h), q.time, first_query, shape.queries);
            load_rows(upstream, dy.of(b, h), dy.time, first_query, shape.queries);
            block_barrier();
            Scores s, ds;
            row_products(s, keys, queries);
            row_products(ds, values, upstream);
#pragma unroll
            for (int i = 0; i < OWN; i++)
            {
                int key = first_key + own_row() + i * SIDE;
                int from = shape.first_query(key);
                int to = shape.end_query(key);
#pragma unroll
                for (int j = 0; j < OWN; j++)
                {
                    int query = first_query + own_column() + j * SIDE;
                    bool visible = query >= from && query < to;
                    differentiate(s[i][j], ds[i][j], visible, shape.scale, pairs + query * 2);
                }
            }

            share_weights(weights, s);
            add_weighted_rows(value_sum, weights, upstream);
            share_weights(weights, ds);
            add_weighted_rows(key_sum, weights, queries);
        }
    }

    if (dk.start)
    {
        put_rows(dk.of(b, key_head), dk.time, key_sum, first_key, shape.keys, shape.scale, accumulate_dk);
    }

    if (dv.start)
    {
        put_rows(dv.of(b, key_head), dv.time, value_sum, first_key, shape.keys, 1.f, accumulate_dv);
    }
}
