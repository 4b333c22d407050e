// Multiples of gradients, written or added to others: sum = *factor values, or sum += *factor values; and in place. See
// element_walk.cuh for how the former is split. VALUE and SUM are the tensors' element types.
#include "element_walk.cuh"

struct AddScaled
{
    static constexpr int TENSORS = 2;
    typedef Packet<VALUE, VECTOR> Input;

    const VALUE* values;
    SUM* sum;
    float factor;
    bool accumulate;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return Input::load(values + at[0]); }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float scaled[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            scaled[i] = in[i] * factor;
        }

        put_packet(sum + at[1], scaled, accumulate);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) add_scaled(
    const __grid_constant__ ElementWalk walk, const VALUE* values, SUM* sum, const float* factor, int accumulate)
{
    after_earlier_launches();
    run_elements(walk, AddScaled{values, sum, *factor, accumulate != 0});
}

// values *= *factor, for chunks of VECTOR elements that follow one another. Mostly the factor is 1, and blocks only need to
// check that: they are as many as run at once, and go round the chunks if it is not.
extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) scale_in_place(VALUE* values, int64 chunks, const float* factor)
{
    after_earlier_launches();
    float number = *factor;
    if (number == 1.f)
    {
        return;
    }

    for (int64 i = (int64)blockIdx.x * ELEMENT_THREADS + threadIdx.x; i < chunks; i += (int64)gridDim.x * ELEMENT_THREADS)
    {
        auto chunk = Packet<VALUE, VECTOR>::load(values + i * VECTOR);
        float scaled[VECTOR];
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
        {
            scaled[k] = chunk[k] * number;
        }

        Packet<VALUE, VECTOR>::of(scaled).store(values + i * VECTOR);
    }
}
