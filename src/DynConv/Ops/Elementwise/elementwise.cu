// Sums, products, quotients and multiples, element by element. See element_walk.cuh for how the work is split.
#include "element_walk.cuh"

typedef Packet<TYPE, VECTOR> Chunk;

// a + factor b: with a factor of 1 or -1 the product is exact, and the result rounds once.
struct Add
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk a, b; };

    const TYPE* a;
    const TYPE* b;
    TYPE* sum;
    float factor;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return {Chunk::load(a + at[0]), Chunk::load(b + at[1])}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = fused_multiply_add(in.b[i], factor, in.a[i]);
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

struct Divide
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk a, b; };

    const TYPE* a;
    const TYPE* b;
    TYPE* quotient;
    bool accumulate;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return {Chunk::load(a + at[0]), Chunk::load(b + at[1])}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in.a[i] / in.b[i];
        }

        put_packet(quotient + at[2], values, accumulate);
    }
};

struct Scale
{
    static constexpr int TENSORS = 2;
    typedef Chunk Input;

    const TYPE* x;
    TYPE* scaled;
    float factor, offset;
    bool accumulate;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return Chunk::load(x + at[0]); }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = fused_multiply_add(in[i], factor, offset);
        }

        put_packet(scaled + at[1], values, accumulate);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    elementwise_add(const __grid_constant__ ElementWalk walk, const TYPE* a, const TYPE* b, TYPE* sum, float factor)
{
    after_earlier_launches();
    run_elements(walk, Add{a, b, sum, factor});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) elementwise_multiply(
    const __grid_constant__ ElementWalk walk, const TYPE* a, const TYPE* b, TYPE* product, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, Multiply{a, b, product, accumulate != 0});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) elementwise_divide(
    const __grid_constant__ ElementWalk walk, const TYPE* a, const TYPE* b, TYPE* quotient, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, Divide{a, b, quotient, accumulate != 0});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) elementwise_scale(
    const __grid_constant__ ElementWalk walk, const TYPE* x, TYPE* scaled, float factor, float offset, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, Scale{x, scaled, factor, offset, accumulate != 0});
}
