// Sums, products and multiples, element by element. See element_walk.cuh for how the work is split.
#include "element_walk.cuh"

typedef Packet<TYPE, VECTOR> Chunk;

struct Add
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk a, b; };

    const TYPE* a;
    const TYPE* b;
    TYPE* sum;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return {Chunk::load(a + at[0]), Chunk::load(b + at[1])}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in.a[i] + in.b[i];
        }

        Chunk::of(values).store(sum + at[2]);
    }
};

struct Multiply
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk a, b; };

    const TYPE* a;
    const TYPE* b;
    TYPE* product;
    bool accumulate;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return {Chunk::load(a + at[0]), Chunk::load(b + at[1])}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in.a[i] * in.b[i];
        }

        put_packet(product + at[2], values, accumulate);
    }
};

struct Scale
{
    static constexpr int TENSORS = 2;
    typedef Chunk Input;

    const TYPE* x;
    TYPE* scaled;
    float factor;
    bool accumulate;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return Chunk::load(x + at[0]); }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in[i] * factor;
        }

        put_packet(scaled + at[1], values, accumulate);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    elementwise_add(const __grid_constant__ ElementWalk walk, const TYPE* a, const TYPE* b, TYPE* sum)
{
    after_earlier_launches();
    run_elements(walk, Add{a, b, sum});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) elementwise_multiply(
    const __grid_constant__ ElementWalk walk, const TYPE* a, const TYPE* b, TYPE* product, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, Multiply{a, b, product, accumulate != 0});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) elementwise_scale(
    const __grid_constant__ ElementWalk walk, const TYPE* x, TYPE* scaled, float factor, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, Scale{x, scaled, factor, accumulate != 0});
}
