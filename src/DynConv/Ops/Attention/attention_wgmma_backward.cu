// Gradients of attention of bfloat16 heads on the tensor cores of compute capability 9.0. A block takes KEYS keys of a head, 64 a
// warpgroup, and walks the queries of all heads that share them, tile by tile. Scores have keys as rows, so that probabilities p
// and score gradients ds are left operands where they arise; ds also goes to shared memory, where both warpgroups need it:
//   p = exp(scale k q^T - l), dv += p dy, ds = p (v dy^T - d), dk += ds q, dq += ds^T k.
// A tile of dq is a sum over the blocks of its head. They add to it, in global memory, in the order of their keys: each waits
// for its turn, told by a counter of the tile, so that the sum always has the same bits. No block waits for one with a greater number.
// Reads q, k, v, dy and (l, d) of each query, l as an exponent of 2; writes dk and dv, either may be null, and `sums`: dq without
// its scale, as attention_wgmma_queries.cu reads it. If queries and keys were turned by their positions, dk is turned back.
// Macros: HEAD, WARPGROUPS (that compute: 2), QUERIES (of a tile), STAGES (of the ring of tiles), ROTARY (HEAD is a multiple of 16).
#include "attention_wgmma.cuh"

static constexpr int KEYS = WARPGROUPS * 64;
static constexpr int KEY_ELEMENTS = KEYS * CHANNELS;
static constexpr int QUERY_ELEMENTS = QUERIES * CHANNELS;
static constexpr int SCORE_ELEMENTS = QUERIES * KEYS;
static constexpr int STATISTICS = 2 * QUERIES;

typedef float Scores[QUERIES / 2];
typedef float Sums[CHANNELS / 2];
typedef uint32 Weights[QUERIES / 16][4];

struct Memory
{
    bf16 *keys, *values, *queries, *upstream, *score_gradients;
    float *query_sums, *statistics;
    // `..._there`: a copy, or a sum, has come; `..._used`: all who need it have read it.
    uint64 *keys_there, *queries_there, *queries_used, *upstream_there, *upstream_used, *sums_there, *sums_used;

    DEVICE Memory()
        : keys((bf16*)shared_memory), values(keys + KEY_ELEMENTS), queries(values + KEY_ELEMENTS),
          upstream(queries + STAGES * QUERY_ELEMENTS), score_gradients(upstream + STAGES * QUERY_ELEMENTS),
          query_sums((float*)(score_gradients + 2 * SCORE_ELEMENTS)), statistics(query_sums + QUERY_ELEMENTS),
          keys_there((uint64*)(statistics + STAGES * STATISTICS)), queries_there(keys_there + 1), queries_used(queries_there + STAGES),
          upstream_there(queries_used + STAGES), upstream_used(upstream_there + STAGES), sums_there(upstream_used + STAGES),
          sums_used(sums_there + 1)
    {
    }

    DEVICE void start() const
    {
        start_barrier(keys_there, 1);
        start_barrier(sums_there, COMPUTE_WARPS);
        start_barrier(sums_used, 1);
        start_ring<STAGES>(queries_there, queries_used);
        start_ring<STAGES>(upstream_there, upstream_used);
        barriers_started();
    }
};

// The keys of a block and the tiles of queries that see them, those of all heads that share the keys one after the other.
struct Walk
{
    const AttentionShape& shape;
    int batch, key_head, key_tile, begin, tiles;

    DEVICE Walk(const AttentionShape& shape, int together) : shape(shape)
    {
        int key_tiles = (shape.keys + KEYS - 1) / KEYS;
        TileOfHead place = tile_of_block(blockIdx.x, key_tiles, shape.batches * shape.key_heads, together);
        batch = place.head / shape.key_heads;
        key_head = place.head % shape.key_heads;
        key_tile = place.rank;
        begin = shape.first_query(first_key()) / QUERIES;
        tiles = (shape.end_query(first_key() + KEYS - 1) + QUERIES - 1) / QUERIES - begin;
    }

    DEVICE int first_key() const { return key_tile * KEYS; }
    DEVICE int count() const { return tiles * shape.shared_heads(); }
    DEVICE int head(int i) const { return key_head * shape.shared_heads() + i / tiles; }
    DEVICE int tile(int i) const { return begin + i % tiles; }

    // A tile of queries among those of all heads.
    DEVICE int64 place(int i) const
    {
        int query_tiles = (shape.queries + QUERIES - 1) / QUERIES;
        return (int64)(batch * shape.heads + head(i)) * query_tiles + tile(i);
    }

    // How many blocks add to a tile before this one: those with the keys in front.
    DEVICE int turn(int i) const { return key_tile - shape.first_key(tile(i) * QUERIES) / KEYS; }
};

DEVICE void fetch(
    const Memory& memory, const Walk& walk, const TensorMap* q, const TensorMap* k, const TensorMap* v, const TensorMap* dy,
    const float* statistics)
{
    arrive_expecting(memory.keys_there, 2 * KEY_ELEMENTS * sizeof(bf16));
    fetch_rows<KEYS>(memory.keys, k, walk.first_key(), walk.key_head, walk.batch, memory.keys_there);
    fetch_rows<KEYS>(memory.values, v, walk.first_key(), walk.key_head, walk.batch, memory.keys_there);
    Ring<STAGES> ring;
    for (int i = 0; i < walk.count(); i++)
    {
        int first = walk.tile(i) * QUERIES;
        int head = walk.head(i);
        uint64* there = memory.queries_there + ring.stage;
        wait_for_phase(memory.queries_used + ring.stage, ring.round ^ 1);
        arrive_expecting(there, QUERY_ELEMENTS * sizeof(bf16) + STATISTICS * sizeof(float));
        fetch_rows<QUERIES>(memory.queries + ring.stage * QUERY_ELEMENTS, q, first, head, walk.batch, there);
        copy_bytes(
            memory.statistics + ring.stage * STATISTICS, statistics + walk.place(i) * STATISTICS, STATISTICS * sizeof(float), there);
        there = memory.upstream_there + ring.stage;
        wait_for_phase(memory.upstream_used + ring.stage, ring.round ^ 1);
        arrive_expecting(there, QUERY_ELEMENTS * sizeof(bf16));
        fetch_rows<QUERIES>(memory.upstream + ring.stage * QUERY_ELEMENTS, dy, first, head, walk.batch, there);
        ring.advance();
    }
}

// Adds sums of dq to those of other blocks.
DEVICE void add_query_sums(const Memory& memory, const Walk& walk, float* sums, uint32* turns)
{
    Ring<1> ring;
    for (int i = 0; i < walk.count(); i++)
    {
        int64 place = walk.place(i);
        int turn = walk.turn(i);
        wait_for_phase(memory.sums_there, ring.round);
        ring.advance();
        if (turn == 0)
        {
            store_bytes(sums + place * QUERY_ELEMENTS, memory.query_sums, QUERY_ELEMENTS * sizeof(float));
        }
        else
        {
            wait_for_count(turns + place, turn);
            add_bytes(sums + place * QUERY_ELEMENTS, memory.query_sums, QUERY_ELEMENTS * sizeof(float));
        }

        stores_commit();
        wait_for_reads_of_stores();
        arrive(memory.sums_used);
        wait_for_stores();
        set_count(turns + place, turn + 1);
    }
}

// The keys of one warpgroup.
struct Worker
{
    const Memory& memory;
    const Walk& walk;
    int number, key;
    Sums dk, dv;

    DEVICE Worker(const Memory& memory, const Walk& walk)
        : memory(memory), walk(walk), number(warpgroup()), key(walk.first_key() + number * 64 + warpgroup_row()), dk{}, dv{}
    {
    }

    DEVICE void mask(Scores& scores, int first_query) const
    {
        const AttentionShape& shape = walk.shape;
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            hide_columns(
                scores, half, shape.first_query(key + 8 * half) - first_query, shape.end_query(key + 8 * half) - first_query);
        }
    }

    DEVICE static Packet<float, 4> pair(const float* statistics, int n)
    {
        return Packet<float, 4>::load(statistics + 2 * (n * 8 + lane_column()));
    }

    // ds of this warpgroup's keys, as rows of tiles of 64 queries.
    DEVICE void share(const Weights& ds, bf16* tiles) const
    {
        int row = number * 64 + (int)threadIdx.x % WARPGROUP / WARP * 16 + (int)threadIdx.x % 16;
        int piece = (int)threadIdx.x % WARP / 16;
#pragma unroll
        for (int s = 0; s < QUERIES / 16; s++)
        {
            bf16* tile = tiles + s / 4 * KEYS * TILE_COLUMNS;
            store_matrices(ds[s], tile + row * TILE_COLUMNS + ((s % 4 * 2 + piece) ^ row % 8) * 8);
        }
    }

    // Units of dq: 64 rows of 64 floats, in which 32 bytes c of row r stand at c ^ r % 8, so that lanes write to different banks.
    DEVICE static void put_unit(float* unit, const float (&dq)[TILE_COLUMNS / 2])
    {
        int row = warpgroup_row();
#pragma unroll
        for (int c = 0; c < TILE_COLUMNS / 8; c++)
        {
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                const float two[2] = {dq[4 * c + 2 * half], dq[4 * c + 2 * half + 1]};
                float* to = unit + (row + 8 * half) * TILE_COLUMNS + (c ^ row % 8) * 8 + lane_column();
                Packet<float, 2>::of(two).store(to);
            }
        }
    }

    DEVICE void step(int i, int stage, int round, int sums_round)
    {
        const bf16* q = memory.queries + stage * QUERY_ELEMENTS;
        const bf16* dy = memory.upstream + stage * QUERY_ELEMENTS;
        const float* statistics = memory.statistics + stage * STATISTICS;
        bf16* shared_ds = memory.score_gradients + i % 2 * SCORE_ELEMENTS;
        int own = number * 64 * TILE_COLUMNS;
        const AttentionShape& shape = walk.shape;
        float scale = shape.scale * LOG2_E;

        Scores p, ds;
        wait_for_phase(memory.queries_there + stage, round);
        products_begin();
        multiply_rows<QUERIES, CHANNELS, KEYS>(p, memory.keys + own, q);
        products_commit();
        wait_for_phase(memory.upstream_there + stage, round);
        products_begin();
        multiply_rows<QUERIES, CHANNELS, KEYS>(ds, memory.values + own, dy);
        products_commit();
        products_wait<1>();
        products_arrived(p);

        // Queries that see all keys of the warp.
        int first_query = walk.tile(i) * QUERIES;
        int first_key_of_warp = key - lane_row();
        if (first_query < shape.first_query(first_key_of_warp + 15) || first_query + QUERIES > shape.end_query(first_key_of_warp))
        {
            mask(p, first_query);
        }

#pragma unroll
        for (int n = 0; n < QUERIES / 8; n++)
        {
            Packet<float, 4> ld = pair(statistics, n);
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                p[4 * n + e] = exp2_fast(fused_multiply_add(p[4 * n + e], scale, -ld[e % 2 * 2]));
            }
        }

        Weights weights;
        round_weights<QUERIES>(weights, p);
        products_wait<0>();
        products_arrived(ds);
        products_begin();
        multiply_weights<CHANNELS, QUERIES>(dv, weights, dy, true);
        products_commit();
#pragma unroll
        for (int n = 0; n < QUERIES / 8; n++)
        {
            Packet<float, 4> ld = pair(statistics, n);
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                ds[4 * n + e] = p[4 * n + e] * (ds[4 * n + e] - ld[e % 2 * 2 + 1]);
            }
        }

        Weights gradients;
        round_weights<QUERIES>(gradients, ds);
        share(gradients, shared_ds);
        share_writes();
        block_barrier(1, WARPGROUPS * WARPGROUP);

        // A unit of dq a warpgroup.
        float dq[TILE_COLUMNS / 2];
        int unit = number * KEYS * TILE_COLUMNS;
        products_begin();
        multiply_columns<TILE_COLUMNS, KEYS>(
            dq, shared_ds + (UNITS_ARE_QUERIES ? unit : 0), memory.keys + (UNITS_ARE_QUERIES ? 0 : unit));
        products_commit();
        multiply_weights<CHANNELS, QUERIES>(dk, gradients, q, true);
        products_commit();
        products_wait<1>();
        products_arrived(dq);
        release(memory.upstream_used + stage);
        wait_for_phase(memory.sums_used, sums_round ^ 1);
        put_unit(memory.query_sums + number * 64 * TILE_COLUMNS, dq);
        share_writes();
        release(memory.sums_there);
        products_wait<0>();
        products_arrived(dk);
        products_arrived(dv);
        release(memory.queries_used + stage);
    }

    DEVICE void run()
    {
        wait_for_phase(memory.keys_there, 0);
        Ring<STAGES> ring;
        Ring<1> sums;
        for (int i = 0; i < walk.count(); i++)
        {
            step(i, ring.stage, ring.round, sums.round);
            ring.advance();
            sums.advance();
        }
    }

    // dk was computed of turned keys.
    DEVICE void turn_back_keys(Rotary rotary)
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            const float* angles = rotary.of(walk.batch, walk.shape.keys, minimum(key + 8 * half, walk.shape.keys - 1));
#pragma unroll
            for (int n = 0; n < HEAD / 16; n++)
            {
                auto cosines = Packet<float, 2>::load(angles + n * 8 + lane_column());
                auto sines = Packet<float, 2>::load(angles + HEAD / 2 + n * 8 + lane_column());
#pragma unroll
                for (int e = 0; e < 2; e++)
                {
                    turn_back(dk[4 * n + 2 * half + e], dk[4 * (n + HEAD / 16) + 2 * half + e], cosines[e], sines[e]);
                }
            }
        }
    }

    DEVICE void put(HeadRows<bf16> to, const Sums& sums, float factor, bool accumulate) const
    {
        if (to.start)
        {
            bf16* rows = to.of(walk.batch, walk.key_head);
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                if (key + 8 * half < walk.shape.keys)
                {
                    put_row(rows + (key + 8 * half) * to.time, sums, half, factor, accumulate);
                }
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_wgmma_backward(
    const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
    const __grid_constant__ TensorMap dy, const float* statistics, HeadRows<bf16> dk, HeadRows<bf16> dv, int accumulate_dk,
    int accumulate_dv, float* sums, uint32* turns, Rotary rotary, AttentionShape shape, int together)
{
    after_earlier_launches();
    Memory memory;
    if (threadIdx.x == 0)
    {
        memory.start();
    }

    block_barrier();
    Walk walk(shape, together);
    if (warpgroup() < 0)
    {
        give_registers<FETCH_REGISTERS>();
        if (threadIdx.x == 0)
        {
            fetch(memory, walk, &q, &k, &v, &dy, statistics);
        }
        else if (threadIdx.x == WARP)
        {
            add_query_sums(memory, walk, sums, turns);
        }
    }
    else
    {
        take_registers<COMPUTE_REGISTERS>();
        Worker worker(memory, walk);
        worker.run();
        if constexpr (ROTARY)
        {
            worker.turn_back_keys(rotary);
        }

        worker.put(dk, worker.dk, shape.scale, accumulate_dk != 0);
        worker.put(dv, worker.dv, 1.f, accumulate_dv != 0);
    }
}
