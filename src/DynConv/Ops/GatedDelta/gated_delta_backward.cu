// Gradients of the gated delta rule, token by token from the last to the first: see gated_delta.cuh for who holds what. Of each chunk
// the states before its tokens are computed again from the one that the forward pass has left, and wait in `before`, which has
// CHUNK * ROWS * THREADS floats a block.
//
// With S' = e^g S, e = v - S'ᵀ k, d = beta e and the state's gradient D behind a token:
//   D += scale q dyᵀ, dq = scale (S' + k dᵀ) dy, c = Dᵀ k, dv = beta c, dbeta = c . e,
//   dk = D d - S' dv, D -= k dvᵀ, dg = sum of D S', D = e^g D.
//
// Sums over columns are parts, one for each slab and, for q and k, each value head of a group: dq, dk [part, token, key head, K];
// dg, dbeta [slab, token, value head]. Another kernel adds them up.
#include "gated_delta.cuh"

static constexpr int WARPS = THREADS / WARP;
static constexpr int PADDED = LANES * ROWS;

// Of a warp, in shared memory: dq, dk, dg, dbeta.
static constexpr int SUMS = 2 * PADDED + 2;

extern __shared__ Bits128 shared_memory[];

struct DeltaGradients
{
    float* dq;
    float* dk;
    Element* dv;
    float* dg;
    float* dbeta;
    float* dinitial;
};

// Adds the columns of a warp, and leaves the sum of each row in shared memory.
DEVICE void leave_row_sums(float* to, const Column& column, const DeltaPlace& place)
{
#pragma unroll
    for (int r = 0; r < ROWS; r++)
    {
        float sum = column[r];
#pragma unroll
        for (int mask = LANES; mask < WARP; mask *= 2)
        {
            sum += shuffle_xor(sum, mask);
        }

        if (threadIdx.x % WARP < LANES)
        {
            to[place.row(r)] = sum;
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) gated_delta_backward(
    HeadRows<const Element> q, HeadRows<const Element> k, HeadRows<const Element> v, HeadRows<const float> g,
    HeadRows<const float> beta, HeadRows<const Element> dy, const float* states, const float* dlast, float* before,
    DeltaGradients gradients, DeltaShape shape, int64 first_block)
{
    after_earlier_launches();
    DeltaPlace place(shape, first_block + blockIdx.x);
    float* sums = reinterpret_cast<float*>(shared_memory);
    float* own_sums = sums + threadIdx.x / WARP * SUMS;
    before += (int64)blockIdx.x * (CHUNK * ROWS * THREADS) + threadIdx.x;
    bool is_there = place.column < shape.value_size;
    int64 tokens = (shape.bounds == nullptr ? shape.sequences : 1) * shape.time;
    int64 part = (int64)(place.head % (shape.value_heads / shape.key_heads)) * shape.slabs() + place.slab;
    Column state, gradient, key, row;
    load_state(gradient, dlast, place.sequence, place, shape);
    int64 chunks = (place.end - place.begin + CHUNK - 1) / CHUNK;
    for (int64 chunk = chunks - 1; chunk >= 0; chunk--)
    {
        int64 first = place.begin + chunk * CHUNK;
        int count = (int)minimum<int64>(CHUNK, place.end - first);
        load_state(state, states, place.chunk + chunk, place, shape);
        for (int i = 0; i < count; i++)
        {
#pragma unroll
            for (int r = 0; r < ROWS; r++)
            {
                before[(i * ROWS + r) * THREADS] = state[r];
            }

            int64 t = first + i;
            load_row(key, k.at(place.batch, t, place.key_head), place, shape);
            float value = is_there ? to_float(v.at(place.batch, t, place.head)[place.column]) : 0.f;
            scale_column(state, exp_of(*g.at(place.batch, t, place.head)));
            float error = value - column_product(state, key);
            add_to_column(state, key, *beta.at(place.batch, t, place.head) * error);
        }

        for (int i = count - 1; i >= 0; i--)
        {
            int64 t = first + i;
            int64 token = place.batch * shape.time + t;
            float decay = exp_of(*g.at(place.batch, t, place.head));
            float rate = *beta.at(place.batch, t, place.head);
            float value = is_there ? to_float(v.at(place.batch, t, place.head)[place.column]) : 0.f;
            float upstream = is_there && dy.start != nullptr
                ? shape.scale * to_float(dy.at(place.batch, t, place.head)[place.column]) : 0.f;
            load_row(key, k.at(place.batch, t, place.key_head), place, shape);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
            {
                state[r] = decay * before[(i * ROWS + r) * THREADS];
            }

            float error = value - column_product(state, key);
            float correction = rate * error;

            // What is read with the query.
#pragma unroll
            for (int r = 0; r < ROWS; r++)
            {
                row[r] = fused_multiply_add(key[r], correction, state[r]) * upstream;
            }

            leave_row_sums(own_sums, row, place);
            load_row(row, q.at(place.batch, t, place.key_head), place, shape);
            add_to_column(gradient, row, upstream);

            // The correction.
            float through = column_product(gradient, key);
            float dvalue = rate * through;
            if (is_there && place.lane == 0)
            {
                gradients.dv[(token * shape.value_heads + place.head) * shape.value_size + place.column] = from_float<Element>(dvalue);
            }

#pragma unroll
            for (int r = 0; r < ROWS; r++)
            {
                row[r] = fused_multiply_add(gradient[r], correction, -state[r] * dvalue);
            }

            leave_row_sums(own_sums + PADDED, row, place);
            add_to_column(gradient, key, -dvalue);

            // The decay.
            float dg = 0.f;
#pragma unroll
            for (int r = 0; r < ROWS; r++)
            {
                dg = fused_multiply_add(gradient[r], state[r], dg);
            }

            scale_column(gradient, decay);
            dg = warp_sum(dg);
            float dbeta = warp_sum(place.lane == 0 ? through * error : 0.f);
            if (threadIdx.x % WARP == 0)
            {
                own_sums[2 * PADDED] = dg;
                own_sums[2 * PADDED + 1] = dbeta;
            }

            block_barrier();
            for (int at = threadIdx.x; at < SUMS; at += THREADS)
            {
                float sum = 0.f;
                for (int warp = 0; warp < WARPS; warp++)
                {
                    sum += sums[warp * SUMS + at];
                }

                if (at >= 2 * PADDED)
                {
                    float* to = at == 2 * PADDED ? gradients.dg : gradients.dbeta;
                    to[(place.slab * tokens + token) * shape.value_heads + place.head] = sum;
                }
                else if (at % PADDED < shape.key_size)
                {
                    float* to = at < PADDED ? gradients.dq : gradients.dk;
                    to[((part * tokens + token) * shape.key_heads + place.key_head) * shape.key_size + at % PADDED] = sum;
                }
            }

            block_barrier();
        }
    }

    if (gradients.dinitial != nullptr)
    {
        store_state(gradient, gradients.dinitial, place.sequence, place, shape);
    }
}
