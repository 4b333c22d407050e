// Step sizes softplus(x + bias), logarithms of decays -e^rate softplus(x + bias), and factor * sigmoid(x); and their derivatives. All
// float32 but x. See element_walk.cuh for how the work is split. Macro: TYPE, the type of x.
#include "element_walk.cuh"

typedef Packet<TYPE, VECTOR> Chunk;
typedef Packet<float, VECTOR> Floats;

// In the order of RecurrenceGates.cs.
enum Gate { STEP_SIZES, LOG_DECAYS, SIGMOID };

DEVICE float value_of(int gate, float x, float bias, float rate, float factor)
{
    switch (gate)
    {
        case STEP_SIZES: return softplus(x + bias);
        case LOG_DECAYS: return -(exp_of(rate) * softplus(x + bias));
        default: return factor * sigmoid(x);
    }
}

DEVICE float slope_of(int gate, float x, float bias, float rate, float factor)
{
    switch (gate)
    {
        case STEP_SIZES: return sigmoid(x + bias);
        case LOG_DECAYS: return -(exp_of(rate) * sigmoid(x + bias));
        default:
        {
            float s = sigmoid(x);
            return factor * s * (1.f - s);
        }
    }
}

// What a gate does not have stands for some other tensor and is left alone.
DEVICE Floats load_if(bool there, const float* from) { return there ? Floats::load(from) : Floats{}; }

struct Forward
{
    static constexpr int TENSORS = 4;
    struct Input { Chunk x; Floats bias, rate; };

    const TYPE* x;
    const float* bias;
    const float* rate;
    float* y;
    int gate;
    float factor;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {Chunk::load(x + at[0]), load_if(gate != SIGMOID, bias + at[1]), load_if(gate == LOG_DECAYS, rate + at[2])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = value_of(gate, in.x[i], in.bias[i], in.rate[i], factor);
        }

        Floats::of(values).store(y + at[3]);
    }
};

struct Backward
{
    static constexpr int TENSORS = 5;
    struct Input { Floats dy; Chunk x; Floats bias, rate; };

    const float* dy;
    const TYPE* x;
    const float* bias;
    const float* rate;
    float* dx;
    int gate;
    float factor;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {
            Floats::load(dy + at[0]), Chunk::load(x + at[1]), load_if(gate != SIGMOID, bias + at[2]),
            load_if(gate == LOG_DECAYS, rate + at[3])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = in.dy[i] * slope_of(gate, in.x[i], in.bias[i], in.rate[i], factor);
        }

        Floats::of(values).store(dx + at[4]);
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) recurrence_gates_forward(
    const __grid_constant__ ElementWalk walk, const TYPE* x, const float* bias, const float* rate, float* y, int gate, float factor)
{
    after_earlier_launches();
    run_elements(walk, Forward{x, bias, rate, y, gate, factor});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS) recurrence_gates_backward(
    const __grid_constant__ ElementWalk walk, const float* dy, const TYPE* x, const float* bias, const float* rate, float* dx, int gate,
    float factor)
{
    after_earlier_launches();
    run_elements(walk, Backward{dy, x, bias, rate, dx, gate, factor});
}
