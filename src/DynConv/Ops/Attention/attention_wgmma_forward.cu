// Causal attention of bfloat16 heads on the tensor cores of compute capability 9.0, after FlashAttention-3 (Shah et al. 2024). A
// block stays on its multiprocessor and takes tile after tile of ROWS queries of a head, by a counter that all blocks share; each of
// its warpgroups owns 64 of them and walks their keys from the last tile to the first. While the tensor cores compute the scores of one tile of keys and add
// the values of the one before, the exponentials of another warpgroup are computed: they take turns at handing in products.
// Reads q, k, v; writes y and, for each query, the logarithm of its sum of exponentials.
// Macros: HEAD, WARPGROUPS (that compute), KEYS (of a tile), STAGES (of the ring of tiles).
#include "attention_wgmma.cuh"

static constexpr int ROWS = WARPGROUPS * 64;
static constexpr int QUERY_STAGES = 2;
static constexpr int QUERY_ELEMENTS = ROWS * CHANNELS;
static constexpr int KEY_ELEMENTS = KEYS * CHANNELS;

// As in attention_mma_forward.cu: exponentials may grow to 2^SLACK before what they are relative to is brought up to date.
static constexpr float SLACK = 8.f;

typedef float Scores[KEYS / 2];
typedef float Sums[CHANNELS / 2];

struct Memory
{
    bf16 *queries, *keys, *values;
    // `..._there`: a copy has come; `..._used`: all who compute have read it.
    uint64 *queries_there, *queries_used, *keys_there, *keys_used, *values_there, *values_used;
    // Which tile's queries are in a stage.
    int* numbers;

    DEVICE Memory()
        : queries((bf16*)shared_memory), keys(queries + QUERY_STAGES * QUERY_ELEMENTS), values(keys + STAGES * KEY_ELEMENTS),
          queries_there((uint64*)(values + STAGES * KEY_ELEMENTS)), queries_used(queries_there + QUERY_STAGES),
          keys_there(queries_used + QUERY_STAGES), keys_used(keys_there + STAGES), values_there(keys_used + STAGES),
          values_used(values_there + STAGES), numbers((int*)(values_used + STAGES))
    {
    }

    DEVICE void start() const
    {
        start_ring<QUERY_STAGES>(queries_there, queries_used);
        start_ring<STAGES>(keys_there, keys_used);
        start_ring<STAGES>(values_there, values_used);
        barriers_started();
    }
};

// A tile of queries and the tiles of keys that they see.
struct Tile
{
    int batch, head, first_row, begin, last;

    DEVICE Tile(const AttentionShape& shape, int number, int tiles, int together)
    {
        TileOfHead place = tile_of_block(number, tiles, shape.batches * shape.heads, together);
        batch = place.head / shape.heads;
        head = place.head % shape.heads;
        first_row = (tiles - 1 - place.rank) * ROWS;
        begin = shape.first_key(first_row);
        last = (shape.end_key(minimum(first_row + ROWS, shape.queries) - 1) - begin + KEYS - 1) / KEYS - 1;
    }
};

struct Softmax
{
    float top[2] = {-infinity(), -infinity()};
    float sum[2] = {};

    // Scores become exponentials; `shrink` is what earlier sums have to be multiplied by.
    DEVICE void exponentials(Scores& s, float (&shrink)[2], float scale)
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            float high = s[2 * half];
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++)
            {
                high = larger(high, larger(s[4 * n + 2 * half], s[4 * n + 2 * half + 1]));
            }

            high = larger(high, shuffle_xor(high, 1));
            high = larger(high, shuffle_xor(high, 2));

            // Also for a row's first keys; not for a row that has seen none yet.
            shrink[half] = 1.f;
            if ((high - top[half]) * scale > SLACK)
            {
                shrink[half] = exp2_fast((top[half] - high) * scale);
                top[half] = high;
                sum[half] *= shrink[half];
            }

            float offset = top[half] == -infinity() ? 0.f : top[half] * scale;
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++)
            {
#pragma unroll
                for (int e = 0; e < 2; e++)
                {
                    float& score = s[4 * n + 2 * half + e];
                    score = exp2_fast(fused_multiply_add(score, scale, -offset));
                    sum[half] += score;
                }
            }
        }
    }
};

DEVICE void rescale(Sums& sums, const float (&shrink)[2])
{
    if (any_lane(shrink[0] != 1.f || shrink[1] != 1.f))
    {
#pragma unroll
        for (int i = 0; i < CHANNELS / 2; i++)
        {
            sums[i] *= shrink[i / 2 % 2];
        }
    }
}

DEVICE void fetch(
    const Memory& memory, const TensorMap* q, const TensorMap* k, const TensorMap* v, const AttentionShape& shape, int tiles,
    int count, int together, uint32* next)
{
    Ring<QUERY_STAGES> queries;
    Ring<STAGES> ring;
    int number = blockIdx.x;
    for (;;)
    {
        uint64* there = memory.queries_there + queries.stage;
        wait_for_phase(memory.queries_used + queries.stage, queries.round ^ 1);
        memory.numbers[queries.stage] = number;
        if (number >= count)
        {
            arrive(there);
            break;
        }

        Tile tile(shape, number, tiles, together);
        int key_head = tile.head / shape.shared_heads();
        arrive_expecting(there, QUERY_ELEMENTS * sizeof(bf16));
        fetch_rows<ROWS>(memory.queries + queries.stage * QUERY_ELEMENTS, q, tile.first_row, tile.head, tile.batch, there);
        queries.advance();
        for (int i = tile.last; i >= 0; i--)
        {
            int first = tile.begin + i * KEYS;
            there = memory.keys_there + ring.stage;
            wait_for_phase(memory.keys_used + ring.stage, ring.round ^ 1);
            arrive_expecting(there, KEY_ELEMENTS * sizeof(bf16));
            fetch_rows<KEYS>(memory.keys + ring.stage * KEY_ELEMENTS, k, first, key_head, tile.batch, there);
            there = memory.values_there + ring.stage;
            wait_for_phase(memory.values_used + ring.stage, ring.round ^ 1);
            arrive_expecting(there, KEY_ELEMENTS * sizeof(bf16));
            fetch_rows<KEYS>(memory.values + ring.stage * KEY_ELEMENTS, v, first, key_head, tile.batch, there);
            ring.advance();
        }

        // Each tile is followed by one look at the counter; the last one leaves it as it was.
        int taken = (int)fetch_add(next, 1);
        if (taken == count - 1)
        {
            *next = 0;
        }

        number = gridDim.x + taken;
    }
}

// The rows of one warpgroup, tile after tile.
struct Worker
{
    const Memory& memory;
    const AttentionShape& shape;
    int number;
    Ring<QUERY_STAGES> queries;
    Ring<STAGES> keys, values;

    DEVICE Worker(const Memory& memory, const AttentionShape& shape)
        : memory(memory), shape(shape), number(warpgroup())
    {
        if (number == 0)
        {
            block_barrier_arrive(1, 2 * WARPGROUP);
        }
    }

    // Turns at handing in products: barrier 1 + i is passed by warpgroup i when the one before it has handed in its own.
    DEVICE void wait_for_turn() const { block_barrier(1 + number, 2 * WARPGROUP); }
    DEVICE void end_turn() const { block_barrier_arrive(1 + (number + 1) % WARPGROUPS, 2 * WARPGROUP); }

    // The tile whose queries come next.
    DEVICE int next() const
    {
        wait_for_phase(memory.queries_there + queries.stage, queries.round);
        return memory.numbers[queries.stage];
    }

    // A tile of keys that no row sees.
    DEVICE void pass_turn()
    {
        wait_for_turn();
        end_turn();
        wait_for_phase(memory.keys_there + keys.stage, keys.round);
        release(memory.keys_used + keys.stage);
        keys.advance();
        wait_for_phase(memory.values_there + values.stage, values.round);
        release(memory.values_used + values.stage);
        values.advance();
    }

    DEVICE void start_scores(Scores& scores) const
    {
        wait_for_phase(memory.keys_there + keys.stage, keys.round);
        products_begin();
        const bf16* own = memory.queries + queries.stage * QUERY_ELEMENTS + number * 64 * TILE_COLUMNS;
        multiply_rows<KEYS, CHANNELS, ROWS>(scores, own, memory.keys + keys.stage * KEY_ELEMENTS);
        products_commit();
    }

    DEVICE void start_sums(Sums& sums, const uint32 (&weights)[KEYS / 16][4]) const
    {
        wait_for_phase(memory.values_there + values.stage, values.round);
        products_begin();
        multiply_weights<CHANNELS, KEYS>(sums, weights, memory.values + values.stage * KEY_ELEMENTS, true);
        products_commit();
    }

    DEVICE void mask(Scores& scores, int row, int first_key) const
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            hide_columns(
                scores, half, shape.first_key(row + 8 * half) - first_key, shape.end_key(row + 8 * half) - first_key);
        }
    }

    DEVICE void run(const Tile& tile, HeadRows<bf16> y, float* statistics)
    {
        float scale = shape.scale * LOG2_E;
        int row = tile.first_row + number * 64 + warpgroup_row();
        int first_row_of_warp = row - lane_row();

        // Keys that all rows of the warp see.
        int all_see_from = shape.first_key(first_row_of_warp + 15);
        int all_see_to = shape.end_key(first_row_of_warp);
        auto hide = [&](Scores& scores, int i)
        {
            int first_key = tile.begin + i * KEYS;
            if (first_key < all_see_from || first_key + KEYS > all_see_to)
            {
                mask(scores, row, first_key);
            }
        };

        // The tiles of keys that any row of the warpgroup sees. It has its turn at the others, too, and nothing to hand in.
        int first_row = minimum(tile.first_row + number * 64, shape.queries - 1);
        int last_row = minimum(first_row + 63, shape.queries - 1);
        int low = (shape.first_key(first_row) - tile.begin) / KEYS;
        int high = (shape.end_key(last_row) - tile.begin + KEYS - 1) / KEYS - 1;
        for (int i = tile.last; i > high; i--)
        {
            pass_turn();
        }

        Softmax softmax;
        Scores scores;
        Sums sums = {};
        float shrink[2];
        uint32 weights[KEYS / 16][4];
        start_scores(scores);
        products_wait<0>();
        products_arrived(scores);
        release(memory.keys_used + keys.stage);
        keys.advance();
        hide(scores, high);
        softmax.exponentials(scores, shrink, scale);
        round_weights<KEYS>(weights, scores);
        for (int i = high - 1; i >= low; i--)
        {
            wait_for_turn();
            start_scores(scores);
            start_sums(sums, weights);
            end_turn();
            products_wait<1>();
            products_arrived(scores);
            release(memory.keys_used + keys.stage);
            keys.advance();
            hide(scores, i);
            softmax.exponentials(scores, shrink, scale);
            computed_by_now(softmax.sum[0]);
            computed_by_now(softmax.sum[1]);
            products_wait<0>();
            products_arrived(sums);
            release(memory.values_used + values.stage);
            values.advance();
            round_weights<KEYS>(weights, scores);
            rescale(sums, shrink);
        }

        release(memory.queries_used + queries.stage);
        queries.advance();
        start_sums(sums, weights);
        products_wait<0>();
        products_arrived(sums);
        release(memory.values_used + values.stage);
        values.advance();
        for (int i = low; i > 0; i--)
        {
            pass_turn();
        }

        put(tile, row, softmax, sums, scale, y, statistics);
    }

    DEVICE void put(
        const Tile& tile, int row, const Softmax& softmax, const Sums& sums, float scale, HeadRows<bf16> y, float* statistics) const
    {
        bf16* results = y.of(tile.batch, tile.head);
        float* logarithms = statistics + (int64)(tile.batch * shape.heads + tile.head) * shape.queries;
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            float total = softmax.sum[half];
            total += shuffle_xor(total, 1);
            total += shuffle_xor(total, 2);
            int query = row + 8 * half;
            if (query < shape.queries)
            {
                put_row(results + query * y.time, sums, half, 1.f / total, false);
                if (lane_column() == 0)
                {
                    logarithms[query] = (softmax.top[half] * scale + log2_fast(total)) * LN_2;
                }
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_wgmma_forward(
    const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
    HeadRows<bf16> y, float* statistics, AttentionShape shape, int together, uint32* next)
{
    after_earlier_launches();
    Memory memory;
    if (threadIdx.x == 0)
    {
        memory.start();
    }

    block_barrier();
    int tiles = (shape.queries + ROWS - 1) / ROWS;
    int count = tiles * shape.batches * shape.heads;
    if (warpgroup() < 0)
    {
        give_registers<FETCH_REGISTERS>();
        if (threadIdx.x == 0)
        {
            fetch(memory, &q, &k, &v, shape, tiles, count, together, next);
        }
    }
    else
    {
        take_registers<COMPUTE_REGISTERS>();
        Worker worker(memory, shape);
        for (int number; (number = worker.next()) < count;)
        {
            worker.run(Tile(shape, number, tiles, together), y, statistics);
        }
    }
}
