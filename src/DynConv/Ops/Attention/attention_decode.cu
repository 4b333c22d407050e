// Causal attention of a few queries to many keys, bound by reading keys and values.
// attention_decode: a block takes one query of one head and one part of its keys. Groups of LANES lanes take keys in turn,
// each with a softmax of its own; these are joined in a fixed order. Writes, for each query and part, the weighted sum of
// values, the largest score and the sum of exponentials relative to it.
// attention_join: a block joins the parts of one query and writes y and the logarithm of the sum of exponentials.
// Macros: ELEMENT, HEAD, VECTOR (elements of an access; rows are aligned to it).
#include "attention.cuh"

typedef ELEMENT Element;
typedef Packet<Element, VECTOR> Vector;

static constexpr int THREADS = 128;
static constexpr int VECTORS = (HEAD + VECTOR - 1) / VECTOR;
static constexpr int LANES = VECTORS > 16 ? 32 : VECTORS > 8 ? 16 : VECTORS > 4 ? 8 : VECTORS > 2 ? 4 : VECTORS;
static constexpr int PIECES = (VECTORS + LANES - 1) / LANES;
static constexpr int GROUPS = THREADS / LANES;

// Keys that a group has under way at a time, to cover the latency of memory.
static constexpr int AT_ONCE = PIECES == 1 ? 4 : 1;

static constexpr int PART = HEAD + 2;

// This lane's channels of a row; zeros behind the last and in rows that are not there.
DEVICE void load_row(Vector (&to)[PIECES], const Element* row, bool valid)
{
#pragma unroll
    for (int i = 0; i < PIECES; i++)
    {
        int channel = (i * LANES + threadIdx.x % LANES) * VECTOR;
        if (valid && channel < HEAD)
        {
            to[i] = Vector::load(row + channel);
        }
        else
        {
            to[i] = Vector{};
        }
    }
}

DEVICE float product(const Vector (&a)[PIECES], const Vector (&b)[PIECES])
{
    float sum = 0.f;
#pragma unroll
    for (int i = 0; i < PIECES * VECTOR; i++)
    {
        sum = fused_multiply_add(a[i / VECTOR][i % VECTOR], b[i / VECTOR][i % VECTOR], sum);
    }

#pragma unroll
    for (int mask = LANES / 2; mask > 0; mask /= 2)
    {
        sum += shuffle_xor(sum, mask);
    }

    return sum;
}

// A softmax over some of the keys, and this lane's channels of the values weighted by it.
struct Partial
{
    float top, total;
    float sum[PIECES * VECTOR];
};

DEVICE void add_keys(Partial& all, const float (&scores)[AT_ONCE], const Vector (&values)[AT_ONCE][PIECES])
{
    float high = all.top;
#pragma unroll
    for (int u = 0; u < AT_ONCE; u++)
    {
        high = larger(high, scores[u]);
    }

    // A group that has seen no key yet has nothing to shrink either.
    float offset = high == -infinity() ? 0.f : high;
    float shrink = exp_of(all.top - offset);
    all.top = high;
    all.total *= shrink;
#pragma unroll
    for (int i = 0; i < PIECES * VECTOR; i++)
    {
        all.sum[i] *= shrink;
    }

#pragma unroll
    for (int u = 0; u < AT_ONCE; u++)
    {
        float p = exp_of(scores[u] - offset);
        all.total += p;
#pragma unroll
        for (int i = 0; i < PIECES * VECTOR; i++)
        {
            all.sum[i] = fused_multiply_add(p, values[u][i / VECTOR][i % VECTOR], all.sum[i]);
        }
    }
}

// One channel, or the total where `values` holds totals, of COUNT softmaxes relative to the largest score.
DEVICE float join(const float* values, int64 stride, const float* tops, int64 top_stride, int count, float top)
{
    float sum = 0.f;
    for (int i = 0; i < count; i++)
    {
        float part = tops[i * top_stride];
        sum += part == -infinity() ? 0.f : exp_of(part - top) * values[i * stride];
    }

    return sum;
}

DEVICE float largest(const float* tops, int64 stride, int count)
{
    float top = -infinity();
    for (int i = 0; i < count; i++)
    {
        top = larger(top, tops[i * stride]);
    }

    return top;
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_decode(
    HeadRows<const Element> q, HeadRows<const Element> k, HeadRows<const Element> v, float* parts, AttentionShape shape,
    int splits, int keys_of_split)
{
    after_earlier_launches();
    __shared__ float tops[GROUPS];
    __shared__ float totals[GROUPS];
    __shared__ float sums[GROUPS][PIECES * LANES * VECTOR];

    int row = blockIdx.x / splits;
    int split = blockIdx.x % splits;
    int query = row % shape.queries;
    int h = row / shape.queries % shape.heads;
    int b = row / shape.queries / shape.heads;
    const Element* keys = k.of(b, h / shape.shared_heads());
    const Element* values = v.of(b, h / shape.shared_heads());
    int begin = maximum(shape.first_key(query), split * keys_of_split);
    int end = minimum(shape.end_key(query), (split + 1) * keys_of_split);

    int group = threadIdx.x / LANES;
    Vector own_query[PIECES];
    load_row(own_query, q.of(b, h) + query * q.time, true);
    Partial all = {};
    all.top = -infinity();

    // The groups of a warp go round together, as its shuffles need all lanes.
    for (int first = begin; first < end; first += GROUPS * AT_ONCE)
    {
        Vector key_rows[AT_ONCE][PIECES], value_rows[AT_ONCE][PIECES];
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++)
        {
            int key = first + u * GROUPS + group;
            load_row(key_rows[u], keys + key * k.time, key < end);
            load_row(value_rows[u], values + key * v.time, key < end);
        }

        float scores[AT_ONCE];
#pragma unroll
        for (int u = 0; u < AT_ONCE; u++)
        {
            float score = product(own_query, key_rows[u]) * shape.scale;
            scores[u] = first + u * GROUPS + group < end ? score : -infinity();
        }

        add_keys(all, scores, value_rows);
    }

    if (threadIdx.x % LANES == 0)
    {
        tops[group] = all.top;
        totals[group] = all.total;
    }

#pragma unroll
    for (int i = 0; i < PIECES * VECTOR; i++)
    {
        int channel = (i / VECTOR * LANES + threadIdx.x % LANES) * VECTOR + i % VECTOR;
        sums[group][channel] = all.sum[i];
    }

    block_barrier();
    float top = largest(tops, 1, GROUPS);
    float* part = parts + blockIdx.x * (int64)PART;
    for (int channel = threadIdx.x; channel < HEAD; channel += THREADS)
    {
        part[channel] = join(&sums[0][channel], PIECES * LANES * VECTOR, tops, 1, GROUPS, top);
    }

    if (threadIdx.x == 0)
    {
        part[HEAD] = top;
        part[HEAD + 1] = join(totals, 1, tops, 1, GROUPS, top);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_join(
    const float* parts, HeadRows<Element> y, float* statistics, int heads, int queries, int splits)
{
    after_earlier_launches();
    int row = blockIdx.x;
    const float* own = parts + row * (int64)splits * PART;
    float top = largest(own + HEAD, PART, splits);
    float total = join(own + HEAD + 1, PART, own + HEAD, PART, splits, top);
    Element* result = y.of(row / queries / heads, row / queries % heads) + row % queries * y.time;
    for (int channel = threadIdx.x; channel < HEAD; channel += THREADS)
    {
        float sum = join(own + channel, PART, own + HEAD, PART, splits, top);
        result[channel] = from_float<Element>(sum / total);
    }

    if (threadIdx.x == 0)
    {
        statistics[row] = top + log_of(total);
    }
}
