// y = x² and its gradient, element by element. See element_walk.cuh for how the work is split. Macro: TYPE, the element type.
#include "element_walk.cuh"

typedef Packet<TYPE, VECTOR> Chunk;

struct Forward
{
    static constexpr int TENSORS = 2;
    typedef Chunk Input;

    const TYPE* x;
    TYPE* y;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return Chunk::load(x + at[0]); }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in[i] * in[i];
        }

        Chunk::of(values).store(y + at[1]);
    }
};

struct Backward
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk x, dy; };

    const TYPE* x;
    const TYPE* dy;
    TYPE* dx;
    bool accumulate;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return {Chunk::load(x + at[0]), Chunk::load(dy + at[1])}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = 2.f * in.x[i] * in.dy[i];
        }

        put_packet(dx + at[2], values, accumulate);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) square_forward(ElementWalk walk, const TYPE* x, TYPE* y)
{
    after_earlier_launches();
    run_elements(walk, Forward{x, y});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) square_backward(
    ElementWalk walk, const TYPE* x, const TYPE* dy, TYPE* dx, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, Backward{x, dy, dx, accumulate != 0});
}
