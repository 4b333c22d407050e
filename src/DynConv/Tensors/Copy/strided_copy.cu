// Copies, sums and zeros over any strides, and the search for infinities and NaN. See element_walk.cuh for how the work
// is split. SOURCE and TARGET are the tensors' element types: float (which stands for anything of 4 bytes) or bf16.
#include "element_walk.cuh"

typedef Packet<SOURCE, VECTOR> From;
typedef Packet<TARGET, VECTOR> To;

struct Copy
{
    static constexpr int TENSORS = 2;
    typedef From Input;

    const SOURCE* source;
    TARGET* target;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return From::load(source + at[0]); }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const { write(target + at[1], in); }

    // Elements that change their type go through float; others keep their bits.
    DEVICE static void write(TARGET* to, const To& unchanged) { unchanged.store(to); }

    template <class Other>
    DEVICE static void write(TARGET* to, const Other& other)
    {
        float values[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            values[i] = other[i];
        }

        To::of(values).store(to);
    }
};

struct AddTo
{
    static constexpr int TENSORS = 2;
    struct Input { From source; To target; };

    const SOURCE* source;
    TARGET* target;

    DEVICE Input load(const int64 (&at)[TENSORS]) const
    {
        return {From::load(source + at[0]), To::load(target + at[1])};
    }

    DEVICE void store(const int64 (&at)[TENSORS], const Input& in) const
    {
        float sums[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            sums[i] = in.target[i] + in.source[i];
        }

        To::of(sums).store(target + at[1]);
    }
};

struct Clear
{
    static constexpr int TENSORS = 1;
    struct Input { };

    TARGET* target;

    DEVICE Input load(const int64 (&)[TENSORS]) const { return {}; }

    DEVICE void store(const int64 (&at)[TENSORS], const Input&) const
    {
        float zeros[VECTOR] = {};
        To::of(zeros).store(target + at[0]);
    }
};

struct FindNonFinite
{
    static constexpr int TENSORS = 1;
    typedef From Input;

    const SOURCE* source;
    uint32* found;

    DEVICE Input load(const int64 (&at)[TENSORS]) const { return From::load(source + at[0]); }

    DEVICE void store(const int64 (&)[TENSORS], const Input& in) const
    {
        constexpr uint32 exponent = 0x7f800000u;
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            if ((bits_of_float(in[i]) & exponent) == exponent)
            {
                *found = 1;
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    strided_copy(const __grid_constant__ ElementWalk walk, const SOURCE* source, TARGET* target)
{
    after_earlier_launches();
    run_elements(walk, Copy{source, target});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    strided_add(const __grid_constant__ ElementWalk walk, const SOURCE* source, TARGET* target)
{
    after_earlier_launches();
    run_elements(walk, AddTo{source, target});
}

extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    strided_clear(const __grid_constant__ ElementWalk walk, TARGET* target)
{
    after_earlier_launches();
    run_elements(walk, Clear{target});
}

// Sets `found` to 1 if an element is an infinity or a NaN, and leaves it alone otherwise.
extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)
    find_non_finite(const __grid_constant__ ElementWalk walk, const SOURCE* source, uint32* found)
{
    after_earlier_launches();
    run_elements(walk, FindNonFinite{source, found});
}
