// What only the hardware can do, on a CPU: stands in for src/DynConv/Cuda/Kernels/device.cuh, function by function.
// What a function there needs of other threads, of shared memory or of the machine is in machine.h.
#pragma once
#include "machine.h"

#define threadIdx (::emulator::place->thread)
#define blockIdx (::emulator::place->block)
#define blockDim (::emulator::place->block_size)
#define gridDim (::emulator::place->grid_size)

// __global__, __launch_bounds__ and __shared__ are not macros: the emulated NVRTC reads them.
#define __device__
#define __forceinline__ inline
#define __grid_constant__
#define DEVICE inline

typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef unsigned long long uint64;
typedef long long int64;

// 4, 8 and 16 bytes that move in one access.
struct alignas(8) Bits64 { uint32 x, y; };
struct alignas(16) Bits128 { uint32 x, y, z, w; };

DEVICE float float_of_bits(uint32 bits)
{
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

DEVICE uint32 bits_of_float(float value)
{
    uint32 bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

namespace emulator
{
inline float low(uint32 pair) { return float_of_bits(pair << 16); }
inline float high(uint32 pair) { return float_of_bits(pair & 0xffff0000u); }

// To nearest, ties to even.
inline uint16 bf16_of(float value)
{
    uint32 bits = bits_of_float(value);
    return value != value ? 0x7fff : (uint16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// A value whose last bit is set if digits were lost rounds on to fewer bits as the exact value would.
inline double sum_to_odd(double a, double b)
{
    double sum = a + b;
    double part = sum - a;
    double lost = (a - (sum - part)) + (b - part);
    uint64 bits;
    __builtin_memcpy(&bits, &sum, sizeof bits);
    if (lost != 0 && lost - lost == 0 && bits % 2 == 0)
    {
        bits += (lost > 0) == (sum > 0) ? 1 : -1;
        __builtin_memcpy(&sum, &bits, sizeof sum);
    }

    return sum;
}

inline float float_to_odd(double value)
{
    float rounded = (float)value;
    uint32 bits = bits_of_float(rounded);
    double lost = value - rounded;
    if (lost != 0 && lost - lost == 0 && bits % 2 == 0)
    {
        bits += (lost > 0) == (value > 0) ? 1 : -1;
    }

    return float_of_bits(bits);
}

inline uint16 fma_bf16(float a, float b, float c) { return bf16_of(float_to_odd(sum_to_odd((double)a * b, c))); }
}

// Two floats rounded to bfloat16 (to nearest, ties to even): low in the lower half.
DEVICE uint32 pack_bf16(float low, float high)
{
    return (uint32)emulator::bf16_of(high) << 16 | emulator::bf16_of(low);
}

DEVICE uint16 round_bf16(float value) { return emulator::bf16_of(value); }

// a * b + c on two bfloat16 at a time, each rounded once.
DEVICE uint32 fma_bf16x2(uint32 a, uint32 b, uint32 c)
{
    using namespace emulator;
    return (uint32)fma_bf16(high(a), high(b), high(c)) << 16 | fma_bf16(low(a), low(b), low(c));
}

DEVICE uint32 multiply_bf16x2(uint32 a, uint32 b) { return fma_bf16x2(a, b, 0x80008000u); }

DEVICE float fused_multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

namespace emulator
{
inline float without_subnormals(float x)
{
    return __builtin_fabsf(x) < 1.17549435e-38f ? __builtin_copysignf(0.f, x) : x;
}
}

DEVICE float exp2_fast(float x)
{
    return emulator::without_subnormals(__builtin_exp2f(emulator::without_subnormals(x)));
}

DEVICE float log2_fast(float x) { return __builtin_log2f(emulator::without_subnormals(x)); }

DEVICE float larger(float a, float b) { return __builtin_fmaxf(a, b); }

DEVICE float square_root(float x) { return __builtin_sqrtf(x); }

DEVICE float reciprocal_fast(float x) { return emulator::without_subnormals(1.f / emulator::without_subnormals(x)); }

DEVICE void block_barrier() { emulator::meet(0, 0); }

DEVICE void block_barrier(int barrier, int threads) { emulator::meet(barrier, threads); }

// One launch after the other, here.
DEVICE void after_earlier_launches() {}

DEVICE void let_next_launch_begin() {}

DEVICE void warp_barrier() { emulator::exchange("warp_barrier", 0); }

DEVICE uint32 fetch_add(uint32* counter, uint32 value) { return __atomic_fetch_add(counter, value, __ATOMIC_SEQ_CST); }

DEVICE uint32 shuffle_xor(uint32 value, int mask)
{
    return emulator::exchange("shuffle_xor", value)[(emulator::place->lane ^ mask) & 31];
}

DEVICE uint32 shuffle(uint32 value, int lane) { return emulator::exchange("shuffle", value)[lane & 31]; }

DEVICE bool any_lane(bool value)
{
    auto values = emulator::exchange("any_lane", (uint32)value);
    bool any = false;
    for (int lane = 0; lane < 32; lane++)
    {
        any |= values[lane] != 0;
    }

    return any;
}

DEVICE void write_streaming(Bits128* to, Bits128 v)
{
    emulator::check_aligned("store_streaming", to, sizeof(Bits128));
    *to = v;
}

DEVICE void write_streaming(Bits64* to, Bits64 v)
{
    emulator::check_aligned("store_streaming", to, sizeof(Bits64));
    *to = v;
}

DEVICE void write_streaming(uint32* to, uint32 v)
{
    emulator::check_aligned("store_streaming", to, sizeof(uint32));
    *to = v;
}

DEVICE void write_streaming(uint16* to, uint16 v)
{
    emulator::check_aligned("store_streaming", to, sizeof(uint16));
    *to = v;
}

template <typename T>
DEVICE T* advance(T* from, int64 bytes)
{
    return reinterpret_cast<T*>(reinterpret_cast<uint64>(from) + bytes);
}

DEVICE uint32 unknown(uint32 value) { return value; }

DEVICE uint32 shared_address(const void* pointer) { return emulator::number_of_shared(pointer, 1); }

DEVICE void copy_async16(void* shared, const void* global, bool valid = true)
{
    emulator::copy_later(shared, global, 16, valid);
}

template <int Bytes>
DEVICE void copy_async(uint32 shared, const void* global)
{
    emulator::copy_later(emulator::shared_of_number(shared), global, Bytes, true);
}

DEVICE void copy_async16_cached(void* shared, const void* global, bool valid = true)
{
    copy_async16(shared, global, valid);
}

DEVICE void copy_async_commit() { emulator::commit_copies(); }

template <int Pending>
DEVICE void copy_async_wait() { emulator::wait_for_copies(Pending); }

namespace emulator
{
typedef uint16 MatrixRow[8];

// `count` 8x8 matrices of 16-bit elements, by the addresses of their rows that the lanes give.
inline void load_matrices(const char* operation, uint32* d, int count, const void* row, bool transposed)
{
    int lane = place->lane;
    if (lane < 8 * count)
    {
        check_aligned(operation, row, sizeof(MatrixRow));
        number_of_shared(row, sizeof(MatrixRow));
    }

    Lanes<const void*> rows = exchange(operation, row);
    for (int matrix = 0; matrix < count; matrix++)
    {
        auto element = [&](int r, int c) -> uint32 {
            return (*static_cast<const MatrixRow*>(rows[8 * matrix + r]))[c];
        };
        int outer = lane / 4;
        int inner = 2 * (lane % 4);
        d[matrix] = transposed ? element(inner, outer) | element(inner + 1, outer) << 16
                               : element(outer, inner) | element(outer, inner + 1) << 16;
    }
}
}

DEVICE void load_matrices(uint32 (&d)[4], const void* row)
{
    emulator::load_matrices("load_matrices of 4", d, 4, row, false);
}

DEVICE void load_matrices_transposed(uint32 (&d)[4], const void* row)
{
    emulator::load_matrices("load_matrices_transposed of 4", d, 4, row, true);
}

DEVICE void load_matrices(uint32 (&d)[2], const void* row)
{
    emulator::load_matrices("load_matrices of 2", d, 2, row, false);
}

DEVICE void load_matrices_transposed(uint32 (&d)[2], const void* row)
{
    emulator::load_matrices("load_matrices_transposed of 2", d, 2, row, true);
}

namespace emulator
{
// d = a b + c with a 16 x 4 Registers and b 4 Registers x 8: exact products summed in double and rounded once. Register
// j of a holds row g + 8 (j % 2) and columns 2t, 2t + 1 of 8 (j / 2)..; register j of b rows 2t, 2t + 1 of 8j.. .
template <int Registers>
inline void multiply_tiles(
    float (&d)[4], const uint32 (&a)[Registers], const uint32 (&b)[Registers / 2], const float (&c)[4])
{
    struct Operands { uint32 a[Registers], b[Registers / 2]; } mine;
    __builtin_memcpy(mine.a, a, sizeof a);
    __builtin_memcpy(mine.b, b, sizeof b);
    Lanes<Operands> all = exchange(Registers == 4 ? "multiply_tiles of 16x8x16" : "multiply_tiles of 16x8x8", mine);
    int group = place->lane / 4;
    int pair = place->lane % 4;
    for (int i = 0; i < 4; i++)
    {
        int column = 2 * pair + i % 2;
        double sum = c[i];
        for (int j = 0; j < Registers / 2; j++)
        {
            for (int t = 0; t < 4; t++)
            {
                uint32 left = all[4 * group + t].a[2 * j + i / 2];
                uint32 right = all[4 * column + t].b[j];
                sum += (double)low(left) * low(right) + (double)high(left) * high(right);
            }
        }

        d[i] = (float)sum;
    }
}
}

DEVICE void multiply_tiles(float (&d)[4], const uint32 (&a)[4], uint32 b0, uint32 b1, const float (&c)[4])
{
    emulator::multiply_tiles<4>(d, a, {b0, b1}, c);
}

DEVICE void multiply_tiles(float (&d)[4], const uint32 (&a)[2], uint32 b, const float (&c)[4])
{
    emulator::multiply_tiles<2>(d, a, {b}, c);
}

// From here on: compute capability 9.0 alone.

struct TensorMap;

namespace emulator
{
// What a barrier in shared memory looks like here.
struct PhaseBarrier
{
    int bytes;
    uint16 missing;
    uint16 arrivals : 15, phase : 1;

    void end_phase_if_complete()
    {
        if (missing == 0 && bytes == 0)
        {
            missing = arrivals;
            phase ^= 1;
        }
    }

    void arrive(const char* operation)
    {
        if (missing == 0)
        {
            fail("%s at a barrier at which all %d have arrived", operation, (int)arrivals);
        }

        missing--;
        end_phase_if_complete();
    }
};

inline PhaseBarrier* phase_barrier(uint64* barrier)
{
    static_assert(sizeof(PhaseBarrier) == sizeof(uint64));
    check_aligned("a barrier", barrier, sizeof(uint64));
    number_of_shared(barrier, sizeof(uint64));
    return reinterpret_cast<PhaseBarrier*>(barrier);
}

// What has come for a barrier is there when somebody waits for it, and not before.
inline void complete(void* barrier, int bytes)
{
    auto* state = static_cast<PhaseBarrier*>(barrier);
    state->bytes -= bytes;
    state->end_phase_if_complete();
}
}

DEVICE void start_barrier(uint64* barrier, int arrivals)
{
    *emulator::phase_barrier(barrier) = {0, (uint16)arrivals, (uint16)arrivals, 0};
}

DEVICE void barriers_started() {}

DEVICE void arrive(uint64* barrier) { emulator::phase_barrier(barrier)->arrive("arrive"); }

DEVICE void arrive_expecting(uint64* barrier, int bytes)
{
    emulator::PhaseBarrier* state = emulator::phase_barrier(barrier);
    state->bytes += bytes;
    state->arrive("arrive_expecting");
}

DEVICE void wait_for_phase(uint64* barrier, int phase)
{
    emulator::PhaseBarrier* state = emulator::phase_barrier(barrier);
    emulator::wait_until("wait_for_phase", [=] {
        emulator::deliver_boxes(state, emulator::complete);
        return state->phase != phase;
    });
}

DEVICE void copy_box(void* shared, const TensorMap* map, int x, int y, int z, int w, uint64* barrier)
{
    const int first[] = {x, y, z, w};
    emulator::copy_box_later(shared, reinterpret_cast<const uint64*>(map), first, emulator::phase_barrier(barrier));
}

DEVICE void copy_bytes(void* shared, const void* global, int bytes, uint64* barrier)
{
    emulator::copy_bytes_later(shared, global, bytes, emulator::phase_barrier(barrier));
}

DEVICE void store_bytes(float* global, const float* shared, int bytes)
{
    emulator::check_aligned("store_bytes", global, 16);
    emulator::number_of_shared(shared, bytes);
    __builtin_memcpy(global, shared, bytes);
}

DEVICE void add_bytes(float* global, const float* shared, int bytes)
{
    emulator::check_aligned("add_bytes", global, 16);
    emulator::number_of_shared(shared, bytes);
    for (int i = 0; i < bytes / 4; i++)
    {
        global[i] += shared[i];
    }
}

DEVICE void stores_commit() {}
DEVICE void wait_for_reads_of_stores() {}
DEVICE void wait_for_stores() {}
DEVICE void share_writes() {}

DEVICE void block_barrier_arrive(int barrier, int threads) { emulator::arrive(barrier, threads); }

DEVICE void wait_for_count(const uint32* counter, uint32 count)
{
    emulator::wait_for_other_blocks(
        "wait_for_count", [=] { return __atomic_load_n(counter, __ATOMIC_SEQ_CST) == count; });
}

DEVICE void set_count(uint32* counter, uint32 count) { __atomic_store_n(counter, count, __ATOMIC_SEQ_CST); }

template <int Registers>
DEVICE void take_registers() {}

template <int Registers>
DEVICE void give_registers() {}

DEVICE void store_matrices(const uint32 (&d)[4], void* row)
{
    emulator::check_aligned("store_matrices", row, sizeof(emulator::MatrixRow));
    emulator::number_of_shared(row, sizeof(emulator::MatrixRow));
    auto rows = emulator::exchange("store_matrices", row);
    for (int matrix = 0; matrix < 4; matrix++)
    {
        auto* to = static_cast<unsigned char*>(rows[8 * matrix + emulator::place->lane / 4]);
        __builtin_memcpy(to + 4 * (emulator::place->lane % 4), &d[matrix], 4);
    }

    // Lanes write parts of rows that other lanes gave.
    emulator::exchange("store_matrices", 0);
}

DEVICE void products_begin() {}
DEVICE void products_commit() { emulator::commit_products(); }

template <int Pending>
DEVICE void products_wait() { emulator::wait_for_products(Pending); }

template <int Count>
DEVICE void products_arrived(float (&)[Count]) {}

DEVICE void computed_by_now(float value)
{
    if (value < 0)
    {
        emulator::fail("computed_by_now with %g, which is below zero", (double)value);
    }
}

namespace emulator
{
// An operand of a warpgroup's products in shared memory, by its description.
struct SharedOperand
{
    unsigned start, leading, stride;
    bool along_rows;

    SharedOperand(uint64 description, bool along_rows)
        : start((description & 0x3fff) << 4), leading((description >> 16 & 0x3fff) << 4),
          stride((description >> 32 & 0x3fff) << 4), along_rows(along_rows)
    {
        if (description >> 62 != 1)
        {
            fail("a description of an operand whose pieces do not change places by eights");
        }
    }

    // The 16 numbers of row (or column) i.
    void read(double (&values)[16], int i) const
    {
        for (int k = 0; k < 16; k++)
        {
            unsigned number = along_rows
                ? start + i / 64 * leading + k / 8 * stride + k % 8 * 128 + i % 64 * 2
                : start + i / 8 * stride + i % 8 * 128 + k * 2;
            number ^= (number >> 7 & 7) << 4;
            uint16 bits;
            __builtin_memcpy(&bits, shared_of_number(number), sizeof bits);
            values[k] = float_of_bits((uint32)bits << 16);
        }
    }
};

template <int Half>
inline void multiply_warpgroup(float (&d)[Half], const double (&left)[2][16], const SharedOperand& right, bool add)
{
    float* sums = product_later(d, Half);
    for (int i = 0; i < Half / 2; i++)
    {
        double column[16];
        right.read(column, i / 2 * 8 + place->lane % 4 * 2 + i % 2);
        for (int row = 0; row < 2; row++)
        {
            float& to = sums[i / 2 * 4 + row * 2 + i % 2];
            double sum = add ? to : 0;
            for (int k = 0; k < 16; k++)
            {
                sum += left[row][k] * column[k];
            }

            to = (float)sum;
        }
    }
}

template <bool ALONG_ROWS, bool B_ALONG_ROWS, int Half>
inline void multiply_warpgroup(float (&d)[Half], uint64 a, uint64 b, bool add)
{
    SharedOperand operand(a, ALONG_ROWS);
    double left[2][16];
    int row = threadIdx.x % 128 / 32 * 16 + place->lane / 4;
    operand.read(left[0], row);
    operand.read(left[1], row + 8);
    multiply_warpgroup(d, left, SharedOperand(b, B_ALONG_ROWS), add);
}

template <bool B_ALONG_ROWS, int Half>
inline void multiply_warpgroup(float (&d)[Half], const uint32 (&a)[4], uint64 b, bool add)
{
    struct Words { uint32 at[4]; } mine;
    __builtin_memcpy(mine.at, a, sizeof a);
    auto all = exchange("multiply_warpgroup", mine);
    double left[2][16];
    for (int k = 0; k < 16; k++)
    {
        for (int row = 0; row < 2; row++)
        {
            uint32 pair = all[place->lane / 4 * 4 + k % 8 / 2].at[k / 8 * 2 + row];
            left[row][k] = k % 2 ? high(pair) : low(pair);
        }
    }

    multiply_warpgroup(d, left, SharedOperand(b, B_ALONG_ROWS), add);
}
}

template <bool A_ALONG_ROWS, bool B_ALONG_ROWS, int Half>
DEVICE void multiply_warpgroup(float (&d)[Half], uint64 a, uint64 b, bool add)
{
    emulator::multiply_warpgroup<A_ALONG_ROWS, B_ALONG_ROWS>(d, a, b, add);
}

template <bool B_ALONG_ROWS, int Half>
DEVICE void multiply_warpgroup(float (&d)[Half], const uint32 (&a)[4], uint64 b, bool add)
{
    emulator::multiply_warpgroup<B_ALONG_ROWS>(d, a, b, add);
}
