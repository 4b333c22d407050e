// One step of AdamW, in place, for many tensors at once; none if the gradient's factor is NaN. Where a bfloat16 copy of a
// parameter is kept, it is written along with it.
//
// A block handles BLOCK_ELEMENTS neighbouring elements of one tensor. A thread reads what it does in one turn before it
// writes the first of it.
#include "adamw.cuh"
#include "tensor_table.cuh"

static constexpr int THREADS = 256;
static constexpr int VECTOR = 4;
static constexpr int ITEMS = 2;
static constexpr int TURN = THREADS * VECTOR * ITEMS;
static constexpr int BLOCK_ELEMENTS = 4 * TURN;

typedef Packet<float, VECTOR> State;
typedef Packet<GRADIENT, VECTOR> Fresh;
typedef Packet<bf16, VECTOR> Copy;

// Tensors whose elements lie one after the other; tensor i begins at block first_block[i].
struct AdamWTable
{
    static constexpr int MOST = 64;

    int64 tensors;
    float* parameters[MOST];
    const GRADIENT* gradients[MOST];
    float* first_moments[MOST];
    float* second_moments[MOST];
    bf16* copies[MOST];    // null where there is none
    int64 counts[MOST];
    int64 first_block[MOST];
    float kept[MOST];      // 1 - lr decay
};

// The elements of a block.
struct Stretch
{
    float* p;
    const GRADIENT* g;
    float* m;
    float* v;
    bf16* copy;
    const Factors& f;
    float kept;
    float scale;

    DEVICE bool is_aligned() const
    {
        return ((uint64)p | (uint64)m | (uint64)v) % sizeof(State) == 0 && (uint64)g % sizeof(Fresh) == 0 &&
               (uint64)copy % sizeof(Copy) == 0;
    }

    DEVICE void store(int at, const State& old_p, const State& old_m, const State& old_v, const Fresh& gradient) const
    {
        float new_p[VECTOR], new_m[VECTOR], new_v[VECTOR];
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            new_p[k] = old_p[k];
            new_m[k] = old_m[k];
            new_v[k] = old_v[k];
            advance(gradient[k], new_p[k], new_m[k], new_v[k], f, kept, scale);
        }

        State::of(new_p).store(p + at);
        State::of(new_m).store(m + at);
        State::of(new_v).store(v + at);
        if (copy != nullptr)
        {
            Copy::of(new_p).store(copy + at);
        }
    }

    DEVICE void turn(int first, int end) const
    {
        State ps[ITEMS], ms[ITEMS], vs[ITEMS];
        Fresh gs[ITEMS];
#pragma unroll
        for (int i = 0; i < ITEMS; i++)
        {
            int at = first + (i * THREADS + threadIdx.x) * VECTOR;
            if (at < end)
            {
                ps[i] = State::load(p + at);
                ms[i] = State::load(m + at);
                vs[i] = State::load(v + at);
                gs[i] = Fresh::load(g + at);
            }
        }

#pragma unroll
        for (int i = 0; i < ITEMS; i++)
        {
            int at = first + (i * THREADS + threadIdx.x) * VECTOR;
            if (at < end)
            {
                store(at, ps[i], ms[i], vs[i], gs[i]);
            }
        }
    }

    DEVICE void one(int at) const
    {
        advance(to_float(g[at]), p[at], m[at], v[at], f, kept, scale);
        if (copy != nullptr)
        {
            copy[at] = from_float<bf16>(p[at]);
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) adamw_many(
    const __grid_constant__ AdamWTable table, const __grid_constant__ Factors factors, const float* gradient_scale)
{
    after_earlier_launches();
    float scale = scale_of(factors, gradient_scale);
    if (scale != scale)
    {
        return;
    }

    int tensor = find_tensor(table.first_block, table.tensors, blockIdx.x);
    int64 start = (blockIdx.x - table.first_block[tensor]) * BLOCK_ELEMENTS;
    bf16* copy = table.copies[tensor];
    Stretch stretch{
        table.parameters[tensor] + start,
        table.gradients[tensor] + start,
        table.first_moments[tensor] + start,
        table.second_moments[tensor] + start,
        copy == nullptr ? nullptr : copy + start,
        factors,
        table.kept[tensor],
        scale};
    int count = (int)minimum<int64>(BLOCK_ELEMENTS, table.counts[tensor] - start);
    int whole = stretch.is_aligned() ? count / VECTOR * VECTOR : 0;
    for (int first = 0; first < whole; first += TURN)
    {
        stretch.turn(first, whole);
    }

    for (int i = whole + threadIdx.x; i < count; i += THREADS)
    {
        stretch.one(i);
    }
}
