// Gradients within chunks: dx, what of dt's and a's goes by way of pairs of tokens and of what the tokens write to the state, D's, and
// those of the products c_i . b_j. A block takes HEADS heads of one group, or what is left of it, in one chunk; see ssd.cuh.
//
// With M = dy xᵀ, L the decays between tokens, w_ij = L_ij dt_j (c_i . b_j) and dS the gradient of the state behind the chunk:
//   dx_j = Σ_i w_ij dy_i + e^{G_C-G_j} dt_j dSᵀ b_j + D dy_j,   d(c_i . b_j) = L_ij dt_j M_ij,   dD = Σ_i M_ii,
//   ddt_j = Σ_i L_ij (c_i . b_j) M_ij + e^{G_C-G_j} x_j . dSᵀ b_j + a dG_j, where dG_t, the gradient of the decay of token t, is the sum
// of w_ij M_ij over all i >= t > j and of e^{G_C-G_j} dt_j x_j . dSᵀ b_j over j < t: only sums, since differences of larger sums would
// lose what a small decay leaves. da is the sum of dt_t dG_t. What is read from the state before adds to it (ssd_backward_groups.cu).
//
// Macro: HEADS (heads of a block).
#include "ssd.cuh"

static constexpr int WARPS = THREADS / WARP;
static constexpr int SQUARE_TILE = CHUNK * pitch_of<Element>(CHUNK);
static constexpr int COLUMN_TILE = CHUNK * pitch_of<Element>(COLUMNS);

// Gradients, and parts of gradients: dx; ddt [token, head]; da, dd [place, head]; dscores [part, place, group, CHUNK, CHUNK].
struct SsdTokenGradients
{
    Element* dx;
    float* ddt;
    float* da;
    float* dd;
    float* dscores;
};

// Leaves the sums of the columns of each warp's rows in shared memory.
DEVICE void leave_column_sums(float (&to)[WARPS][CHUNK], const float (&values)[EIGHTHS][4])
{
#pragma unroll
    for (int n = 0; n < EIGHTHS; n++)
    {
#pragma unroll
        for (int k = 0; k < 2; k++)
        {
            float sum = values[n][k] + values[n][k + 2];
#pragma unroll
            for (int mask = 4; mask < WARP; mask *= 2)
            {
                sum += shuffle_xor(sum, mask);
            }

            if (threadIdx.x % WARP < 4)
            {
                to[threadIdx.x / WARP][n * 8 + lane_column() + k] = sum;
            }
        }
    }
}

// Puts in place of each value the sum of those before it in its row.
DEVICE void sum_rows_before(float (&values)[EIGHTHS][4])
{
    int lane = threadIdx.x % WARP;
    int quad = lane % 4;
#pragma unroll
    for (int half = 0; half < 4; half += 2)
    {
        float before = 0.f;
#pragma unroll
        for (int n = 0; n < EIGHTHS; n++)
        {
            float first = values[n][half];
            float sum = first + values[n][half + 1];
            float other = shuffle(sum, lane - (quad > 0 ? 1 : 0));
            sum += quad > 0 ? other : 0.f;
            other = shuffle(sum, lane - (quad > 1 ? 2 : 0));
            sum += quad > 1 ? other : 0.f;
            other = shuffle(sum, lane - (quad > 0 ? 1 : 0));
            float all = shuffle(sum, lane - quad + 3);
            values[n][half] = before + (quad > 0 ? other : 0.f);
            values[n][half + 1] = values[n][half] + first;
            before += all;
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 3) ssd_backward_tokens(
    HeadRows<const Element> x, const ChunkDecays* all_decays, const float* a, HeadRows<const Element> b, const float* d,
    HeadRows<const Element> dy, const Element* dstates, const float* scores, SsdTokenGradients gradients, SsdShape shape)
{
    after_earlier_launches();
    __shared__ ChunkDecays decays;
    __shared__ float direct[WARPS][CHUNK];
    __shared__ float through_pairs[WARPS][CHUNK];
    __shared__ float through_state[CHUNK];
    __shared__ float scratch[3][WARPS];
    Element* square = reinterpret_cast<Element*>(shared_memory);
    Element* rows = square + SQUARE_TILE;
    Element* input = rows + SQUARE_TILE;
    Element* upstream = input + COLUMN_TILE;
    Element* gradient = upstream + COLUMN_TILE;
    int parts = (shape.heads_a_group() + HEADS - 1) / HEADS;
    int64 block = blockIdx.x;
    int part = (int)(block % parts);
    block /= parts;
    int group = (int)(block % shape.groups);
    ChunkTokens tokens = ChunkTokens::at(shape, block / shape.groups);
    int64 place = block / shape.groups;
    int first_head = group * shape.heads_a_group() + part * HEADS;
    int end_head = minimum(first_head + HEADS, (group + 1) * shape.heads_a_group());
    if (tokens.count == 0)
    {
        for (int head = first_head + (int)threadIdx.x; head < end_head; head += THREADS)
        {
            gradients.da[place * shape.heads + head] = 0.f;
            gradients.dd[place * shape.heads + head] = 0.f;
        }

        return;
    }

    int head_end = shape.head_pieces() * COLUMNS;
    int upstream_rows = dy.start == nullptr ? 0 : tokens.count;
    const float* pairs = scores + (place * shape.groups + group) * (CHUNK * CHUNK);
    float dscores[EIGHTHS][4] = {};
    for (int head = first_head; head < end_head; head++)
    {
        start_decays(decays, all_decays, shape, place, head);
        copy_async_commit();
        float skip = d == nullptr ? 0.f : d[head];

        // Pairs of tokens.
        float products[EIGHTHS][4] = {};
        for (int p = 0; p < head_end; p += COLUMNS)
        {
            start_tile<COLUMNS, VECTOR>(input, tokens.in(x, head) + p, x.time, tokens.count, shape.head_size - p);
            start_tile<COLUMNS, VECTOR>(upstream, tokens.in(dy, head) + p, dy.time, upstream_rows, shape.head_size - p);
            copy_async_commit();
            copies_arrive();
            multiply<false, false, COLUMNS>(products, upstream, input);
            block_barrier();
        }

        auto start_state = [&](int n, int p) {
            const Element* state = dstates + shape.state_at(place, head, n, p);
            start_tile<CHUNK, ROW_VECTOR>(rows, tokens.in(b, group) + n, b.time, tokens.count, shape.state_size - n);
            start_tile<COLUMNS, WIDE>(gradient, state, shape.width(), shape.state_size - n, shape.width() - p);
            copy_async_commit();
        };
        start_state(0, 0);

        float trace = 0.f;
        each(products, [&](float value, int i, int j) { trace += i == j ? value : 0.f; });
        each_numbered(products, [&](float& value, int i, int j, int n, int k) {
            float decay = decays.between(i, j);
            float score = pairs[i * CHUNK + j];

            // What is masked may be infinite, and is not multiplied by the zero of its decay.
            float product = j <= i ? value : 0.f;
            float weight = decay * decays.dt[j];
            square[i * pitch_of<Element>(CHUNK) + j] = from_float<Element>(weight * score);
            dscores[n][k] = fused_multiply_add(weight, product, dscores[n][k]);
            value = product * decay * score;
        });
        leave_column_sums(direct, products);
        each(products, [&](float& value, int, int j) { value *= decays.dt[j]; });
        sum_rows_before(products);
        each(products, [&](float& value, int i, int j) { value = i >= j ? value : 0.f; });
        leave_column_sums(through_pairs, products);

        // dx, and what the tokens write to the state.
        float written[2] = {};
        for (int p = 0; p < head_end; p += COLUMNS)
        {
            block_barrier();
            if (head_end > COLUMNS)
            {
                start_tile<COLUMNS, VECTOR>(input, tokens.in(x, head) + p, x.time, tokens.count, shape.head_size - p);
                start_tile<COLUMNS, VECTOR>(upstream, tokens.in(dy, head) + p, dy.time, upstream_rows, shape.head_size - p);
                copy_async_commit();
            }

            float to_state[COLUMN_EIGHTHS][4] = {};
            for (int n = 0; n < shape.state_size; n += CHUNK)
            {
                if (p + n > 0)
                {
                    start_state(n, p);
                }

                copies_arrive();
                multiply<false, true, CHUNK>(to_state, rows, gradient);
                block_barrier();
            }

            each_numbered(to_state, [&](float& value, int row, int column, int, int k) {
                int at = row * pitch_of<Element>(COLUMNS) + column;
                written[k / 2] = fused_multiply_add(value, to_float(input[at]), written[k / 2]);
                value = value * decays.to_state[row] + skip * to_float(upstream[at]);
            });
            multiply<true, true, CHUNK>(to_state, square, upstream);
            Element* dx = gradients.dx + (tokens.token(shape, 0) * shape.heads + head) * shape.head_size + p;
            store_result<(VECTOR > 1)>(dx, (int64)shape.heads * shape.head_size, to_state, tokens.count, shape.head_size - p);
        }

        leave_row_sums(through_state, written);
        block_barrier();
        int t = threadIdx.x;
        float state_product = t < CHUNK ? decays.to_state[t] * through_state[t] : 0.f;
        float decay_gradient = sum_before(state_product, scratch[0]);
        float rate_gradient = 0.f;
        if (t < CHUNK)
        {
            float step_gradient = decays.to_end[t] * through_state[t];
            for (int w = 0; w < WARPS; w++)
            {
                step_gradient += direct[w][t];
                decay_gradient += through_pairs[w][t];
            }

            rate_gradient = decays.dt[t] * decay_gradient;
            if (t < tokens.count)
            {
                gradients.ddt[tokens.token(shape, t) * shape.heads + head] = step_gradient + a[head] * decay_gradient;
            }
        }

        rate_gradient = block_sum<THREADS>(rate_gradient, scratch[1]);
        trace = block_sum<THREADS>(trace, scratch[2]);
        if (t == 0)
        {
            gradients.da[place * shape.heads + head] = rate_gradient;
            gradients.dd[place * shape.heads + head] = trace;
        }

        block_barrier();
    }

    float* to = gradients.dscores + (((int64)part * shape.places() + place) * shape.groups + group) * (CHUNK * CHUNK);
    each(dscores, [&](float value, int row, int column) { to[row * CHUNK + column] = value; });
}
