// y = x + bias, element by element; each row reads the same bias. See element_walk.cuh for how the work is split.
#include "element_walk.cuh"

typedef Packet<TYPE, VECTOR> Chunk;
typedef Packet<BIAS, VECTOR> BiasChunk;

struct AddBias
{
    static constexpr int TENSORS = 3;
    struct Input { Chunk x; BiasChunk bias; };

    const TYPE* x;
    const BIAS* bias;
    TYPE* y;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {Chunk::load(x + at[0]), BiasChunk::load(bias + at[1])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in.x[i] + in.bias[i];
        }

        Chunk::of(values).store(y + at[2]);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    bias_forward(const __grid_constant__ ElementWalk walk, const TYPE* x, const BIAS* bias, TYPE* y)
{
    after_earlier_launches();
    run_elements(walk, AddBias{x, bias, y});
}
