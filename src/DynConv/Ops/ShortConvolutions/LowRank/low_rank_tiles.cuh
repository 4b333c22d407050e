// What the tensor-core kernels of the low-rank convolution share: who holds what, how rows and factors come in through rings
// of shared memory, and how a token's filters are mixed from them.
//
// A warp owns 8 PAIRS channels and RUNS = 8 runs of consecutive tokens. It walks along all runs at once, STEP = 4 tokens of
// each an iteration, and lane 4 g + t owns 2 PAIRS neighbouring channels of run g. With PAIRS = 4:
//
//                         channels 0-7   8-15      16-23     24-31
//     run 0 (token first)      lane 0    lane 1    lane 2    lane 3
//     run 1 (first + run)      lane 4    lane 5    lane 6    lane 7
//     ...
//     run 7 (first + 7 run)    lane 28   lane 29   lane 30   lane 31
//
// A filter tap is a sum over ranks, f_w[t, d] = sum_r z[t, r] U[r, w, d], and tensor cores make 16 x 8 of them in a product:
//
//     rows (an m-tile)     row g:     token 2 m of run g            columns (n-tile (w, j)): column n is tap w of
//                          row g + 8: token 2 m + 1 of run g        channel 2 PAIRS (n / 2) + 2 j + n % 2
//
// Of the result lane 4 g + t gets rows g and g + 8 of columns 2 t and 2 t + 1: the filters of just the tokens and channels
// that it owns (its j-th pair of channels), without any exchange. So filters never leave registers, and a lane moves its
// channels of x and y in one vector a row. Each further tap adds one n-tile for each pair of channels. Above 4 taps the backward
// kernel halves PAIRS; above 8 other kernels take over (LowRankTiling.cs).
//
// Macros of the forward and the backward kernel, which LowRankTiling.cs sets:
//   WIDTH          taps, W
//   SHARED_BYTES   what the launch asks for, which has to be what the kernel lays out
//   RANK_TILES     ranks / 16, rounded up to a power of two
//   PAIRS          pairs of channels that a lane owns, 2 or 4
//   COLUMNS        warps side by side along the channels in a block
//   AHEAD          steps that copies run ahead of their use
//   PACKED         1 for packed sequences, which have no initial state
//   WEIGHT, STATIC_WEIGHT   element types of U and s
//   WARPS, KEPT    forward: warps of a block; 1 if a warp's filters stay in registers
//   INPUTS, ACCUMULATE      backward: 1 if dx is wanted; 1 if it is added to what is there
#pragma once
#include "convolution.cuh"
#include "tiles.cuh"

static constexpr int RUNS = 8;
static constexpr int STEP = 4;                         // tokens of a run an iteration
static constexpr int TILES = STEP / 2;                 // m-tiles an iteration
static constexpr int RANKS = 16 * RANK_TILES;          // R, padded
static constexpr int HALVES = 2 * RANK_TILES;          // matrices of 8 ranks
static constexpr int LANE_CHANNELS = 2 * PAIRS;
static constexpr int WARP_CHANNELS = 4 * LANE_CHANNELS;
static constexpr int CHUNK = 8;                        // elements of 16 bytes
static constexpr int CHUNKS = WARP_CHANNELS / CHUNK;   // of a row of the warp's channels
static constexpr int FILTER_TILES = WIDTH * PAIRS;     // n-tiles
static constexpr int PAST = WIDTH - 1;
static constexpr int PAST_STEPS = (PAST + STEP - 1) / STEP;
static constexpr int NONE = -(1 << 30);                // tokens: fewer than any step reaches back
static constexpr uint32 ONES = 0x3f803f80u;            // two bfloat16

// The lane's own channels of a token: a pair a word.
typedef Packet<bf16, LANE_CHANNELS> LaneRow;

// STEP rows of a warp's channels for each run, in 16-byte chunks, so placed that neither the lanes' own reads nor
// matrices of 8 runs by one chunk meet twice in a bank.
struct RowStep
{
    static constexpr int TOKEN = RUNS * CHUNKS; // chunks of a token

    Bits128 chunks[STEP * TOKEN];

    DEVICE static int place(int run, int chunk) { return run * CHUNKS + (chunk ^ ((run * CHUNKS / 8) % CHUNKS)); }

    // The lane's own channels of token i of its run.
    DEVICE LaneRow own(int i, int lane) const
    {
        constexpr int lanes = CHUNK / LANE_CHANNELS;
        int t = lane % 4;
        const Bits128* chunk = &chunks[i * TOKEN + place(lane / 4, t / lanes)];
        return LaneRow::load(reinterpret_cast<const bf16*>(chunk) + t % lanes * LANE_CHANNELS);
    }

    // Tokens i and i + 1 of all runs in chunks c and c + 1, chunks of a token side by side: lane 4 g + t gets channels 2 t and
    // 2 t + 1 of run g of each, or, BY_RUN, channel g of runs 2 t and 2 t + 1.
    template <bool BY_RUN>
    DEVICE void pairs(uint32 (&pairs)[4], int i, int c, int lane) const
    {
        const Bits128* row = &chunks[(i + lane / 16) * TOKEN + place(lane % 8, c + lane / 8 % 2)];
        if constexpr (BY_RUN)
        {
            load_matrices_transposed(pairs, row);
        }
        else
        {
            load_matrices(pairs, row);
        }
    }
};

// STEP rows of factors for each run, in chunks of 8 ranks.
struct FactorStep
{
    Bits128 chunks[STEP * HALVES * RUNS];

    // Runs of every second half change places by four: neither copies of neighbouring halves nor matrices meet in a bank.
    DEVICE static int place(int token, int half, int run) { return (token * HALVES + half) * RUNS + (run ^ (half % 2 * 4)); }

    // The m-tile of tokens 2 m and 2 m + 1 by 16 ranks as the first factor of a product.
    DEVICE void rows(uint32 (&a)[4], int m, int rank_tile, int lane) const
    {
        load_matrices(a, &chunks[place(2 * m + lane / 8 % 2, 2 * rank_tile + lane / 16, lane % 8)]);
    }

    // The same as second factors of products over tokens: two registers for ranks 0 to 7, two for ranks 8 to 15.
    DEVICE void columns(uint32 (&b)[4], int m, int rank_tile, int lane) const
    {
        load_matrices_transposed(b, &chunks[place(2 * m + lane / 8 % 2, 2 * rank_tile + lane / 16, lane % 8)]);
    }
};

// The learned filters U of a warp's channels as products take them: for each n-tile and rank the tile's 8 columns.
struct FilterTiles
{
    Bits128 rows[FILTER_TILES][RANKS];

    // An n-tile as second factor of a product over ranks, two registers for 16 ranks.
    DEVICE void by_rank(uint32 (&b)[RANK_TILES][2], int tile, int lane) const
    {
        if constexpr (RANK_TILES % 2 == 0)
        {
#pragma unroll
            for (int k = 0; k < RANK_TILES; k += 2)
            {
                uint32 four[4];
                load_matrices_transposed(four, &rows[tile][16 * k + lane]);
                b[k][0] = four[0], b[k][1] = four[1], b[k + 1][0] = four[2], b[k + 1][1] = four[3];
            }
        }
        else
        {
#pragma unroll
            for (int k = 0; k < RANK_TILES; k++)
            {
                load_matrices_transposed(b[k], &rows[tile][16 * k + lane % 16]);
            }
        }
    }
};

// The same filters in the order of their channels: for each tap, chunk and rank.
struct ChannelFilters
{
    Bits128 rows[WIDTH * CHUNKS][RANKS];

    // Tap w of chunks c and c + 1, the two halves of a sum over channels, by 16 ranks as second factors: two registers for
    // ranks 0 to 7, two for ranks 8 to 15.
    DEVICE void by_channel(uint32 (&b)[4], int w, int c, int rank_tile, int lane) const
    {
        load_matrices(b, &rows[w * CHUNKS + c + lane / 8 % 2][16 * rank_tile + lane / 16 * 8 + lane % 8]);
    }
};

// The static weight of a warp's channels, the residual's 1 included, as two bfloat16 that add up to it.
struct StaticTiles
{
    alignas(16) uint32 words[WIDTH][8][PAIRS];
};

struct Weights
{
    const WEIGHT* u; // [R, WIDTH * D]
    int64 u_stride;
    const STATIC_WEIGHT* s; // [WIDTH, D], or null
    int64 s_stride;
    int rank;
    int residual;
};

// Eight neighbouring channels of a learned filter as bfloat16; they lie at a multiple of 16 bytes.
DEVICE Packet<bf16, CHUNK> load_chunk(const bf16* from) { return Packet<bf16, CHUNK>::load(from); }

DEVICE Packet<bf16, CHUNK> load_chunk(const float* from)
{
    auto read = Packet<float, CHUNK>::load(from);
    float values[CHUNK];
#pragma unroll
    for (int i = 0; i < CHUNK; i++)
    {
        values[i] = read[i];
    }

    return Packet<bf16, CHUNK>::of(values);
}

// Fills the filters of WARPS_FILLED warps, whose channels begin at `first` of `channels`; by_channel may be null.
template <int THREADS_FILLING, int WARPS_FILLED>
DEVICE void fill_weights(
    FilterTiles* learned, StaticTiles* static_tiles, ChannelFilters* by_channel, const Weights& weights, int first, int channels)
{
    // So many are read before the first is used: one after the other, they would wait for memory each by itself.
    constexpr int BATCH = 4;
    constexpr int chunks = WARPS_FILLED * CHUNKS;
    constexpr int count = RANKS * WIDTH * chunks;
#pragma unroll 1
    for (int start = threadIdx.x; start < count; start += BATCH * THREADS_FILLING)
    {
        Packet<bf16, CHUNK> read[BATCH];
#pragma unroll
        for (int k = 0; k < BATCH; k++)
        {
            int i = start + k * THREADS_FILLING;
            int w = i / chunks % WIDTH;
            int r = i / chunks / WIDTH;
            int d = first + i % chunks * CHUNK;
            read[k] = {};
            if (i < count && r < weights.rank && d < channels)
            {
                read[k] = load_chunk(weights.u + r * weights.u_stride + (int64)w * channels + d);
            }
        }

#pragma unroll
        for (int k = 0; k < BATCH; k++)
        {
            int i = start + k * THREADS_FILLING;
            if (i < count)
            {
                int warp = i % chunks / CHUNKS;
                int chunk = i % CHUNKS;
                int w = i / chunks % WIDTH;
                int r = i / chunks / WIDTH;
#pragma unroll
                for (int e = 0; e < 4; e++)
                {
                    int pair = chunk * 4 + e; // of the warp's channels
                    reinterpret_cast<uint32*>(&learned[warp].rows[w * PAIRS + e % PAIRS][r])[pair / PAIRS] = read[k].words[e];
                }

                if (by_channel != nullptr)
                {
                    read[k].store(reinterpret_cast<bf16*>(&by_channel[warp].rows[w * CHUNKS + chunk][r]));
                }
            }
        }
    }

#pragma unroll 1
    for (int i = threadIdx.x; i < WIDTH * WARPS_FILLED * WARP_CHANNELS; i += THREADS_FILLING)
    {
        int channel = i % (WARPS_FILLED * WARP_CHANNELS);
        int w = i / (WARPS_FILLED * WARP_CHANNELS);
        int d = first + channel;
        float value = weights.s != nullptr && d < channels ? to_float(weights.s[w * weights.s_stride + d]) : 0.f;
        value += weights.residual != 0 && w == 0 ? 1.f : 0.f;
        float high = to_float(from_float<bf16>(value));
        int own = channel % WARP_CHANNELS;
        int column = own / LANE_CHANNELS * 2 + own % 2;
        static_tiles[channel / WARP_CHANNELS].words[w][column][own % LANE_CHANNELS / 2] = pack_bf16(high, value - high);
    }
}

// Reads n-tile i of the filters: two registers for every 16 ranks, then the static weight's.
struct ReadFilters
{
    static constexpr int FILTER_WORDS = 2 * RANK_TILES + 1;

    const FilterTiles& tiles;
    const StaticTiles& static_tiles;
    int lane;

    DEVICE void operator()(uint32 (&words)[FILTER_WORDS], int i) const
    {
        uint32 b[RANK_TILES][2];
        tiles.by_rank(b, i, lane);
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            words[2 * k] = b[k][0];
            words[2 * k + 1] = b[k][1];
        }

        words[2 * RANK_TILES] = static_tiles.words[i / PAIRS][lane / 4][i % PAIRS];
    }
};

// Mixes the filters of a warp's channels as they are needed. What it mixes them from stays in registers where there is room
// (IN_REGISTERS).
template <bool IN_REGISTERS>
struct FilterMixer
{
    Operands<FILTER_TILES, ReadFilters::FILTER_WORDS, IN_REGISTERS, ReadFilters> filters;
    int lane;
    uint32 ones[2]; // what lanes 4 g multiply the two summands of the static weight by

    DEVICE FilterMixer(const FilterTiles& tiles, const StaticTiles& static_tiles, int lane)
        : filters(ReadFilters{tiles, static_tiles, lane}), lane(lane)
    {
        // Two registers side by side, which a product wants, and not one that is copied each time.
        ones[0] = lane % 4 == 0 ? ONES : 0u;
        ones[1] = unknown(ones[0]);
    }

    // d = the filters of n-tile (w, j), static weight included, for each m-tile.
    DEVICE void mix(float (&d)[TILES][4], const uint32 (&factors)[TILES][RANK_TILES][4], int w, int j) const
    {
        uint32 own[ReadFilters::FILTER_WORDS];
        filters.get(own, w * PAIRS + j);
#pragma unroll
        for (int m = 0; m < TILES; m++)
        {
            mix(d[m], factors[m], own);
        }
    }

    // The same for one.
    DEVICE void mix(float (&d)[4], const uint32 (&factors)[RANK_TILES][4], int w, int j) const
    {
        uint32 own[ReadFilters::FILTER_WORDS];
        filters.get(own, w * PAIRS + j);
        mix(d, factors, own);
    }

private:
    DEVICE void mix(float (&d)[4], const uint32 (&factors)[RANK_TILES][4], const uint32 (&own)[ReadFilters::FILTER_WORDS]) const
    {
        const float zero[4] = {0.f, 0.f, 0.f, 0.f};
        multiply_tiles(d, ones, own[2 * RANK_TILES], zero);
#pragma unroll
        for (int k = 0; k < RANK_TILES; k++)
        {
            multiply_tiles(d, factors[k], own[2 * k], own[2 * k + 1], d);
        }
    }
};

// The runs that a warp walks along: of one batch entry, from token `first` on, `run` tokens each.
struct Runs
{
    int64 batch;
    int64 first;
    int64 end; // of the batch entry
    int run;

    // The runs from number `index` on of a batch entry's, of which there are as many as cover its tokens.
    DEVICE Runs(int64 batch, int64 index, int run, const Sequences& sequences)
        : batch(batch), first(index * run), end(sequences.time), run(run)
    {
    }

    DEVICE int64 token(int run_index) const { return first + (int64)run_index * run; }

    // Tokens from `token` to the end, clamped to 32 bits; negative behind the end.
    DEVICE int tokens_left(int64 token) const { return (int)maximum((int64)NONE, minimum((int64)-NONE, end - token)); }
};

// Copies rows of the warp's channels. It lives through the whole walk, so it refers to the launch's parameters instead of
// copying them.
struct RowStream
{
    static constexpr int APART = STEP / CHUNKS; // tokens between the rows that a lane copies in a step

    const Rows<const bf16>& rows;
    const bf16* next; // the lane's first chunk of the next step
    int left;         // tokens from there to the end, less than none behind it; NONE where the channels are not there

    DEVICE RowStream(const Rows<const bf16>& rows, const Runs& runs, int64 first_channel, int channels, int lane) : rows(rows)
    {
        int64 token = runs.token(run_of(lane)) + row_of(lane);
        int64 d = first_channel + chunk_of(lane) * CHUNK;
        next = rows.at(runs.batch, token) + d;
        left = d < channels ? runs.tokens_left(token) : NONE;
    }

    DEVICE void copy(RowStep& to, int lane)
    {
#pragma unroll
        for (int k = 0; k < CHUNKS; k++)
        {
            copy_async16(&to.chunks[k * APART * RowStep::TOKEN + place_of(lane)], next, k * APART < left);
            next += APART * rows.time_stride;
        }

        left -= STEP;
    }

    // The PAST_STEPS steps before the first, oldest first, as far as filters reach: tokens before the batch entry's first
    // come from the initial state, or are zeros.
    template <typename Step>
    DEVICE void copy_past(Step* to, const Rows<const bf16>& state, const Runs& runs, int64 first_channel, int lane) const
    {
        int64 token = runs.token(run_of(lane)) + row_of(lane);
#pragma unroll
        for (int k = -PAST_STEPS * CHUNKS; k < 0; k++)
        {
            int64 t = token + k * APART;
            bool stands_before = t < 0 && t >= -PAST && state.first != nullptr;
            const bf16* from = stands_before ? state.at(runs.batch, PAST + t) + first_channel + chunk_of(lane) * CHUNK
                                             : next + k * APART * rows.time_stride;
            int place = PAST_STEPS * CHUNKS + k;
            copy_async16(
                &to[place / CHUNKS].x.chunks[place % CHUNKS * APART * RowStep::TOKEN + place_of(lane)], from,
                row_of(lane) + k * APART >= -PAST && k * APART < left && (stands_before || t >= 0));
        }
    }

private:
    DEVICE static int chunk_of(int lane) { return lane % CHUNKS; }
    DEVICE static int run_of(int lane) { return lane / CHUNKS % RUNS; }
    DEVICE static int row_of(int lane) { return lane / (CHUNKS * RUNS); }

    // Of the lane's first chunk in a step.
    DEVICE static int place_of(int lane)
    {
        return row_of(lane) * RowStep::TOKEN + RowStep::place(run_of(lane), chunk_of(lane));
    }
};

// Copies rows of factors.
struct FactorStream
{
    // Several copies make up a token of all runs where rows are wide.
    static constexpr int COPIES = STEP * RUNS * HALVES / WARP;
    static constexpr int RUNS_A_COPY = HALVES * RUNS > WARP ? WARP / HALVES : RUNS;
    static constexpr int TOKENS_A_COPY = HALVES * RUNS > WARP ? 1 : WARP / (HALVES * RUNS);
    static constexpr int COPIES_A_TOKEN = RUNS / RUNS_A_COPY;

    const Rows<const bf16>& rows;
    const int& run_length;
    const bf16* next;
    int left;

    DEVICE FactorStream(const Rows<const bf16>& rows, const Runs& runs, const int& run_length, int lane)
        : rows(rows), run_length(run_length)
    {
        int64 token = runs.token(run_of(lane)) + row_of(lane);
        next = rows.at(runs.batch, token) + half_of(lane) * CHUNK;
        left = runs.tokens_left(token);
    }

    DEVICE void copy(FactorStep& to, int lane)
    {
        int at = FactorStep::place(row_of(lane), half_of(lane), run_of(lane));
#pragma unroll
        for (int k = 0; k < COPIES; k++)
        {
            int more_runs = k % COPIES_A_TOKEN * RUNS_A_COPY;
            int more_tokens = k / COPIES_A_TOKEN * TOKENS_A_COPY;
            copy_async16_cached(
                &to.chunks[FactorStep::place(more_tokens, 0, 0) + (at ^ more_runs)],
                next + (more_runs * run_length + more_tokens) * rows.time_stride,
                more_runs * run_length + more_tokens < left);
        }

        next += STEP * rows.time_stride;
        left -= STEP;
    }

private:
    DEVICE static int half_of(int lane) { return lane % HALVES; }
    DEVICE static int run_of(int lane) { return lane / HALVES % RUNS; }
    DEVICE static int row_of(int lane) { return lane / (HALVES * RUNS); }
};

// Positions in their sequences of STEP tokens of the lane's run, a byte each; those behind the end do not count. The first
// token's number is a multiple of STEP.
struct Positions
{
    static_assert(STEP == 4, "");

    uint32 bytes;

    DEVICE void load(const Sequences& sequences, int64 token)
    {
        if (token + STEP <= sequences.time)
        {
            bytes = *reinterpret_cast<const uint32*>(sequences.positions + token);
            return;
        }

        bytes = 0;
#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            bytes |= (uint32)(token + i < sequences.time ? sequences.positions[token + i] : MOST_BEFORE) << 8 * i;
        }
    }

    DEVICE int at(int i) const { return (int)(bytes >> 8 * i & 0xff); }

    // Those of another lane's run.
    DEVICE Positions of(int lane) const { return Positions{shuffle(bytes, lane)}; }

    // Whether a filter of any lane reaches behind the start of a sequence.
    DEVICE bool reach_behind() const
    {
        bool any = false;
#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            any |= at(i) < PAST;
        }

        return any_lane(any);
    }
};

// The positions of the lane's run, step after step, each read a step before it is taken. Nothing unless PACKED.
struct PositionStream
{
    const Sequences& sequences;
    int64 token; // the next step's first
    Positions next;

    DEVICE PositionStream(const Sequences& sequences, int64 token) : sequences(sequences), token(token)
    {
        if (PACKED)
        {
            next.load(sequences, token);
        }
    }

    DEVICE Positions take()
    {
        Positions taken = next;
        token += STEP;
        if (PACKED)
        {
            next.load(sequences, token);
        }

        return taken;
    }
};
