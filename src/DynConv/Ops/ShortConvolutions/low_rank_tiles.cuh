// What the tensor-core kernels of the low-rank convolution share. Macros: WIDTH (taps), RANK_TILES (ranks / 16, rounded
// up), PAIRS (pairs of channels a lane owns: 2 or 4), PACKED (1 for packed sequences, then without initial state), WEIGHT
// and STATIC_WEIGHT (element types of U and s).
//
// A warp owns 8 PAIRS channels and 8 runs of consecutive tokens, and walks along all runs at once, STEP tokens an
// iteration. Lane 4 g + t owns channels 2 PAIRS t .. of run g. In the tensor cores' terms: one m-tile of 16 rows is two
// consecutive tokens of each run (row g the first of run g, row g + 8 the second), and n-tile (w, j) is tap w of the j-th
// pairs of all lanes: column n is channel 2 PAIRS (n / 2) + 2 j + n % 2. So every lane gets the filters of just the tokens
// and channels that it owns, and moves x and y in vectors.
#pragma once
#include "convolution.cuh"

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

// Reads the lane's own channels of a token.
DEVICE void load_pairs(uint32 (&pairs)[PAIRS], const bf16* from)
{
    if constexpr (PAIRS == 4)
    {
        Bits128 v = *reinterpret_cast<const Bits128*>(from);
        pairs[0] = v.x, pairs[1] = v.y, pairs[2] = v.z, pairs[3] = v.w;
    }
    else
    {
        Bits64 v = *reinterpret_cast<const Bits64*>(from);
        pairs[0] = v.x, pairs[1] = v.y;
    }
}

// Writes the lane's own channels of a token.
DEVICE void store_pairs(bf16* to, const uint32 (&pairs)[PAIRS])
{
    if constexpr (PAIRS == 4)
    {
        *reinterpret_cast<Bits128*>(to) = Bits128{pairs[0], pairs[1], pairs[2], pairs[3]};
    }
    else
    {
        *reinterpret_cast<Bits64*>(to) = Bits64{pairs[0], pairs[1]};
    }
}

// STEP rows of a warp's channels for each run, in 16-byte chunks, so placed that neither the lanes' own reads nor
// matrices of 8 runs by one chunk meet twice in a bank.
struct RowStep
{
    Bits128 chunks[STEP][RUNS * CHUNKS];

    DEVICE static int place(int run, int chunk) { return run * CHUNKS + (chunk ^ ((run * CHUNKS / 8) % CHUNKS)); }

    // The lane's own channels of token i of its run.
    DEVICE void own(uint32 (&pairs)[PAIRS], int i, int lane) const
    {
        constexpr int lanes = CHUNK / LANE_CHANNELS;
        int t = lane % 4;
        const Bits128* chunk = &chunks[i][place(lane / 4, t / lanes)];
        load_pairs(pairs, reinterpret_cast<const bf16*>(chunk) + t % lanes * LANE_CHANNELS);
    }

    // Token i of all runs with runs as pairs: lane 4 g + t gets channel 8 c + g of runs 2 t and 2 t + 1.
    DEVICE void transposed(uint32 (&columns)[CHUNKS], int i, int lane) const
    {
        load_matrices_transposed(columns, &chunks[i][place(lane % 8, lane / 8 % CHUNKS)]);
    }
};

// STEP rows of factors for each run, in chunks of 8 ranks.
struct FactorStep
{
    Bits128 chunks[STEP][HALVES][RUNS];

    // The m-tile of tokens 2 m and 2 m + 1 by 16 ranks as the first factor of a product.
    DEVICE void rows(uint32 (&a)[4], int m, int rank_tile, int lane) const
    {
        load_matrices(a, &chunks[2 * m + lane / 8 % 2][2 * rank_tile + lane / 16][lane % 8]);
    }

    // The same as second factors of products over tokens: two registers for ranks 0 to 7, two for ranks 8 to 15.
    DEVICE void columns(uint32 (&b)[4], int m, int rank_tile, int lane) const
    {
        load_matrices_transposed(b, &chunks[2 * m + lane / 8 % 2][2 * rank_tile + lane / 16][lane % 8]);
    }
};

// The learned filters of a warp's channels: for each n-tile and rank the tile's 8 columns.
struct Basis
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

    // An n-tile and the next, the two halves of a sum over channels, by 16 ranks as second factors: two registers for
    // ranks 0 to 7, two for ranks 8 to 15.
    DEVICE void by_channel(uint32 (&b)[4], int tile, int rank_tile, int lane) const
    {
        load_matrices(b, &rows[tile + lane / 8 % 2][16 * rank_tile + lane / 16 * 8 + lane % 8]);
    }
};

// The static part of a warp's channels, the residual's 1 included, as two bfloat16 that add up to it.
struct StaticPart
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

// Fills the basis and the static part of `warps` warps, whose channels begin at `first` of `channels`.
template <int THREADS>
DEVICE void fill_weights(Basis* basis, StaticPart* statics, int warps, const Weights& weights, int first, int channels)
{
    int pairs = warps * WARP_CHANNELS / 2;
#pragma unroll 16
    for (int i = threadIdx.x; i < RANKS * WIDTH * pairs; i += THREADS)
    {
        int pair = i % pairs;
        int w = i / pairs % WIDTH;
        int r = i / pairs / WIDTH;
        int d = first + 2 * pair;
        bool inside = r < weights.rank && d < channels;
        const WEIGHT* from = weights.u + (inside ? r * weights.u_stride + (int64)w * channels + d : 0);
        uint32 two = inside ? pack_bf16(to_float(from[0]), to_float(from[1])) : 0u;
        int warp = pair / (WARP_CHANNELS / 2);
        int lane = pair % (WARP_CHANNELS / 2) / PAIRS;
        reinterpret_cast<uint32*>(&basis[warp].rows[w * PAIRS + pair % PAIRS][r])[lane] = two;
    }

    for (int i = threadIdx.x; i < WIDTH * warps * WARP_CHANNELS; i += THREADS)
    {
        int channel = i % (warps * WARP_CHANNELS);
        int w = i / (warps * WARP_CHANNELS);
        int d = first + channel;
        float value = weights.s != nullptr && d < channels ? to_float(weights.s[w * weights.s_stride + d]) : 0.f;
        value += weights.residual != 0 && w == 0 ? 1.f : 0.f;
        float high = to_float(from_float<bf16>(value));
        int own = channel % WARP_CHANNELS;
        int column = own / LANE_CHANNELS * 2 + own % 2;
        statics[channel / WARP_CHANNELS].words[w][column][own % LANE_CHANNELS / 2] = pack_bf16(high, value - high);
    }
}

// d = c + the filters of an m-tile for one n-tile.
DEVICE void mix_filters(float (&d)[4], const uint32 (&factors)[RANK_TILES][4], const uint32 (&basis)[RANK_TILES][2])
{
#pragma unroll
    for (int k = 0; k < RANK_TILES; k++)
    {
        multiply_tiles(d, factors[k], basis[k][0], basis[k][1], d);
    }
}

// The runs that a warp walks along: of one batch entry, from token `first` on, `run` tokens each.
struct Runs
{
    int64 batch;
    int64 first;
    int64 end; // of the batch entry
    int run;

    DEVICE int64 token(int run_index) const { return first + (int64)run_index * run; }

    // Tokens from one on, as far as 32 bits count; less than none behind the end.
    DEVICE int tokens_left(int64 token) const { return (int)maximum((int64)NONE, minimum((int64)-NONE, end - token)); }
};

// Copies rows of the warp's channels.
struct RowStream
{
    static constexpr int APART = STEP / CHUNKS; // tokens between the rows that a lane copies in a step

    const bf16* next; // the lane's first chunk of the next step
    int64 stride;
    int left; // tokens from there to the end, less than none behind it; NONE where the channels are not there
    int run;
    int chunk;
    int row;

    DEVICE void start(const Rows<const bf16>& from, const Runs& runs, int64 first_channel, int channels, int lane)
    {
        chunk = lane % CHUNKS;
        run = lane / CHUNKS % RUNS;
        row = lane / (CHUNKS * RUNS);
        int64 token = runs.token(run) + row;
        int64 d = first_channel + chunk * CHUNK;
        next = from.at(runs.batch, token) + d;
        stride = from.time_stride;
        left = d < channels ? runs.tokens_left(token) : NONE;
    }

    DEVICE void copy(RowStep& to)
    {
#pragma unroll
        for (int k = 0; k < CHUNKS; k++)
        {
            copy_async16(
                &to.chunks[row + k * APART][RowStep::place(run, chunk)], next + k * APART * stride, k * APART < left);
        }

        next += STEP * stride;
        left -= STEP;
    }

    // The steps before the first, oldest first, as far as filters reach: tokens before the batch entry's first come from
    // the initial state, or are zeros.
    DEVICE void copy_past(RowStep* to, const Rows<const bf16>& state, const Runs& runs, int64 first_channel) const
    {
        int64 token = runs.token(run) + row;
#pragma unroll
        for (int k = -PAST_STEPS * CHUNKS; k < 0; k++)
        {
            int64 t = token + k * APART;
            bool stands_before = t < 0 && t >= -PAST && state.first != nullptr;
            const bf16* from = stands_before ? state.at(runs.batch, PAST + t) + first_channel + chunk * CHUNK
                                             : next + k * APART * stride;
            int at = PAST_STEPS * CHUNKS + k;
            copy_async16(
                &to[at / CHUNKS].chunks[row + at % CHUNKS * APART][RowStep::place(run, chunk)], from,
                row + k * APART >= -PAST && k * APART < left && (stands_before || t >= 0));
        }
    }
};

// Copies rows of factors.
struct FactorStream
{
    static constexpr int COPIES = STEP * RUNS * HALVES / WARP;

    const bf16* next;
    int64 stride;
    int left;
    int apart;
    int half;
    int run;
    int row;

    DEVICE void start(const Rows<const bf16>& from, const Runs& runs, int lane)
    {
        half = lane % HALVES;
        run = lane / HALVES % RUNS;
        row = lane / (HALVES * RUNS);
        int64 token = runs.token(run) + row;
        next = from.at(runs.batch, token) + half * CHUNK;
        stride = from.time_stride;
        apart = runs.run;
        left = runs.tokens_left(token);
    }

    DEVICE void copy(FactorStep& to)
    {
#pragma unroll
        for (int k = 0; k < COPIES; k++)
        {
            // Several copies make up a token of all runs where rows are wide.
            constexpr int runs_a_copy = HALVES * RUNS > WARP ? WARP / HALVES : RUNS;
            constexpr int tokens_a_copy = HALVES * RUNS > WARP ? 1 : WARP / (HALVES * RUNS);
            constexpr int copies_a_token = RUNS / runs_a_copy;
            int more_runs = k % copies_a_token * runs_a_copy;
            int more_tokens = k / copies_a_token * tokens_a_copy;
            int ahead = more_runs * apart + more_tokens;
            copy_async16_cached(&to.chunks[row + more_tokens][half][run + more_runs], next + ahead * stride, ahead < left);
        }

        next += STEP * stride;
        left -= STEP;
    }
};

// Places in a ring of N, one step after the other.
template <int N>
DEVICE int ring_add(int place, int steps)
{
    int sum = place + steps;
    return sum >= N ? sum - N : sum < 0 ? sum + N : sum;
}

// Positions in their sequences of the next STEP tokens of lane's run; those behind the end do not count.
struct Positions
{
    int at[STEP];

    DEVICE void load(const Sequences& sequences, int64 token, int64 end)
    {
#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            at[i] = token + i < end ? sequences.position(token + i) : MOST_BEFORE;
        }
    }

    // Whether a filter of any lane reaches behind the start of a sequence.
    DEVICE bool reach_behind() const
    {
        bool any = false;
#pragma unroll
        for (int i = 0; i < STEP; i++)
        {
            any |= at[i] < PAST;
        }

        return any_lane(any);
    }
};
