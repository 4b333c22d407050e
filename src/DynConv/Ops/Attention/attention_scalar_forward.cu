// Causal attention in float32 arithmetic. A block takes TILE queries of one head and walks their keys tile by tile.
// Reads q, k, v; writes y and, for each query, the logarithm of its sum of exponentials.
#include "attention_scalar.cuh"

// Largest value or sum over the 16 lanes that own a row.
DEVICE float row_maximum(float value)
{
#pragma unroll
    for (int mask = SIDE / 2; mask > 0; mask /= 2)
    {
        value = larger(value, shuffle_xor(value, mask));
    }

    return value;
}

DEVICE float row_sum(float value)
{
#pragma unroll
    for (int mask = SIDE / 2; mask > 0; mask /= 2)
    {
        value += shuffle_xor(value, mask);
    }

    return value;
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_scalar_forward(
    HeadRows<const Element> q, HeadRows<const Element> k, HeadRows<const Element> v, HeadRows<Element> y,
    float* statistics, AttentionShape shape, int together)
{
    after_earlier_launches();
    float* queries = reinterpret_cast<float*>(shared_memory);
    float* rows = queries + TILE_FLOATS;
    float* weights = rows + TILE_FLOATS;

    int tiles = (shape.queries + TILE - 1) / TILE;
    TileOfHead place = tile_of_block(blockIdx.x, tiles, shape.batches * shape.heads, together);
    int b = place.head / shape.heads;
    int h = place.head % shape.heads;
    int first_query = (tiles - 1 - place.rank) * TILE;
    const Element* keys = k.of(b, h / shape.shared_heads());
    const Element* values = v.of(b, h / shape.shared_heads());
    int end = shape.end_key(minimum(first_query + TILE, shape.queries) - 1);
    load_rows(queries, q.of(b, h), q.time, first_query, shape.queries);

    Sums sum = {};
    float top[OWN], total[OWN];
#pragma unroll
    for (int i = 0; i < OWN; i++)
    {
        top[i] = -infinity();
        total[i] = 0.f;
    }

    for (int first_key = shape.first_key(first_query); first_key < end; first_key += TILE)
    {
        block_barrier();
        load_rows(rows, keys, k.time, first_key, end);
        block_barrier();
        Scores s;
        row_products(s, queries, rows);
#pragma unroll
        for (int i = 0; i < OWN; i++)
        {
            int query = first_query + own_row() + i * SIDE;
            int from = shape.first_key(query);
            int to = shape.end_key(query);
            float high = top[i];
#pragma unroll
            for (int j = 0; j < OWN; j++)
            {
                int key = first_key + own_column() + j * SIDE;
                s[i][j] = key >= from && key < to ? s[i][j] * shape.scale : -infinity();
                high = larger(high, s[i][j]);
            }

            // A row that has seen no key yet has nothing to shrink either.
            high = row_maximum(high);
            float offset = high == -infinity() ? 0.f : high;
            float shrink = exp_of(top[i] - offset);
            top[i] = high;
            float part = 0.f;
#pragma unroll
            for (int j = 0; j < OWN; j++)
            {
                s[i][j] = exp_of(s[i][j] - offset);
                part += s[i][j];
            }

            total[i] = fused_multiply_add(total[i], shrink, part);
#pragma unroll
            for (int c = 0; c < COLUMNS * 4; c++)
            {
                sum[i][c / 4][c % 4] *= shrink;
            }
        }

        share_weights(weights, s);
        block_barrier();
        load_rows(rows, values, v.time, first_key, end);
        block_barrier();
        add_weighted_rows(sum, weights, rows);
    }

    Element* results = y.of(b, h);
    float* logarithms = statistics + (int64)place.head * shape.queries;
#pragma unroll
    for (int i = 0; i < OWN; i++)
    {
        float all = row_sum(total[i]);
        int query = first_query + own_row() + i * SIDE;
        if (query < shape.queries)
        {
            put_row(results + query * y.time, sum[i], 1.f / all, false);
            if (own_column() == 0)
            {
                logarithms[query] = top[i] + log_of(all);
            }
        }
    }
}
