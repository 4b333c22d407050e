// Multiples of gradients, written or added to others: sum = *factor values, or sum += *factor values. See element_walk.cuh for how
// the work is split. VALUE and SUM are the tensors' element types.
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
    const __grid_constant__ ElementWalk walk, const VALUE* values, SUM* sum, const float* factor, int accumulate, int in_place)
{
    after_earlier_launches();
    float number = *factor;
    if (in_place && number == 1.f)
    {
        return;
    }

    run_elements(walk, AddScaled{values, sum, number, accumulate != 0});
}
