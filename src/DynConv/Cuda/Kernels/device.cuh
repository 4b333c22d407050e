// What only the hardware can do, of compute capability 8.0 and newer: every line of inline assembly of the project stands here.
// Clang compiles it as it is; the tests' emulator replaces this file alone.
#pragma once

#if defined(__clang__)
#include <__clang_cuda_builtin_vars.h>
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __grid_constant__
#endif

#define DEVICE __device__ __forceinline__

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
    asm("mov.b32 %0, %1;" : "=f"(value) : "r"(bits));
    return value;
}

DEVICE uint32 bits_of_float(float value)
{
    uint32 bits;
    asm("mov.b32 %0, %1;" : "=r"(bits) : "f"(value));
    return bits;
}

// Two floats rounded to bfloat16 (to nearest, ties to even): low in the lower half.
DEVICE uint32 pack_bf16(float low, float high)
{
    uint32 bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

DEVICE uint16 round_bf16(float value) { return (uint16)pack_bf16(value, 0.f); }

// a * b + c on two bfloat16 at a time, each rounded once.
DEVICE uint32 fma_bf16x2(uint32 a, uint32 b, uint32 c)
{
    uint32 d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
}

// a * b on two bfloat16 at a time, each rounded once; adding -0 keeps the sign of a zero.
DEVICE uint32 multiply_bf16x2(uint32 a, uint32 b) { return fma_bf16x2(a, b, 0x80008000u); }

DEVICE float fused_multiply_add(float a, float b, float c)
{
    float d;
    asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(d) : "f"(a), "f"(b), "f"(c));
    return d;
}

// 2^x, within 2 ulp.
DEVICE float exp2_fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// log2(x), absolute error below 2^-22 near 1, relative error below 2^-22 elsewhere.
DEVICE float log2_fast(float x)
{
    float y;
    asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// The larger of two numbers, in one instruction; the other one where one is not a number.
DEVICE float larger(float a, float b)
{
    float d;
    asm("max.f32 %0, %1, %2;" : "=f"(d) : "f"(a), "f"(b));
    return d;
}

DEVICE float square_root(float x)
{
    float y;
    asm("sqrt.rn.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 1 / x, within 1 ulp; 0 for |x| > 2^126.
DEVICE float reciprocal_fast(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// The address so many bytes further on, as a sum that stays where it is: along a walk in an unrolled loop, compilers would
// rather compute each address from the first, in more instructions.
template <typename Element>
DEVICE Element* advance(Element* from, int64 bytes)
{
    uint64 to;
    asm("add.s64 %0, %1, %2;" : "=l"(to) : "l"(from), "l"(bytes));
    return reinterpret_cast<Element*>(to);
}

// Waits for all threads of the block and makes their shared-memory writes seen.
DEVICE void block_barrier()
{
    asm volatile("bar.sync 0;" ::: "memory");
}

// The same for the first `threads` threads that use this barrier; 1 <= barrier <= 15.
DEVICE void block_barrier(int barrier, int threads)
{
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

// Every kernel's first line. A launch may take its place on the card as soon as the blocks of the one before have ended
// (CudaKernel.Launch): this waits until all that was queued before is done and can be seen.
DEVICE void after_earlier_launches()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next launch take what place is left before this one has ended. Not for launches whose followers have a few blocks
// for each multiprocessor that live long: these would crowd on the first multiprocessors that have room.
DEVICE void let_next_launch_begin()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

DEVICE void warp_barrier()
{
    asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
}

// Adds to a counter and gives what was there.
DEVICE uint32 fetch_add(uint32* counter, uint32 value)
{
    uint32 before;
    asm volatile("atom.global.add.u32 %0, [%1], %2;" : "=r"(before) : "l"(counter), "r"(value) : "memory");
    return before;
}

// All 32 lanes take part in these.
DEVICE uint32 shuffle_xor(uint32 value, int mask)
{
    uint32 other;
    asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;" : "=r"(other) : "r"(value), "r"(mask));
    return other;
}

DEVICE uint32 shuffle(uint32 value, int lane)
{
    uint32 other;
    asm volatile("shfl.sync.idx.b32 %0, %1, %2, 31, 0xffffffff;" : "=r"(other) : "r"(value), "r"(lane));
    return other;
}

// Whether any lane says so.
DEVICE bool any_lane(bool value)
{
    uint32 any;
    asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.any.pred q, p, 0xffffffff; selp.u32 %0, 1, 0, q; }"
                 : "=r"(any)
                 : "r"((uint32)value));
    return any != 0;
}

// Writes that nobody reads soon.
DEVICE void write_streaming(Bits128* to, Bits128 v)
{
    asm volatile("st.global.cs.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
                 : "memory");
}

DEVICE void write_streaming(Bits64* to, Bits64 v)
{
    asm volatile("st.global.cs.v2.u32 [%0], {%1, %2};" ::"l"(to), "r"(v.x), "r"(v.y) : "memory");
}

DEVICE void write_streaming(uint32* to, uint32 v)
{
    asm volatile("st.global.cs.u32 [%0], %1;" ::"l"(to), "r"(v) : "memory");
}

DEVICE void write_streaming(uint16* to, uint16 v)
{
    asm volatile("st.global.cs.u16 [%0], %1;" ::"l"(to), "h"(v) : "memory");
}

// Returns its argument, and hides from the compiler that it is the same number.
DEVICE uint32 unknown(uint32 value)
{
    asm("mov.b32 %0, %0;" : "+r"(value));
    return value;
}

// The address of shared memory as instructions take it. Compilers see through it, so that addresses which differ by a
// constant share a register.
DEVICE uint32 shared_address(const void* pointer)
{
#if defined(__clang__)
    return (uint32)(uint64)(__attribute__((address_space(3))) const void*)pointer;
#else
    return (uint32)__cvta_generic_to_shared(pointer);
#endif
}

// Starts to copy 16 bytes from global to shared memory, both aligned to 16; zeros if not `valid`.
DEVICE void copy_async16(void* shared, const void* global, bool valid = true)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(valid ? 16 : 0)
                 : "memory");
}

// The same through the first cache, for what several warps of a multiprocessor read.
DEVICE void copy_async16_cached(void* shared, const void* global, bool valid = true)
{
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(valid ? 16 : 0)
                 : "memory");
}

// The same to an address of shared memory, 4, 8 or 16 bytes: for loops that would compute the address anew each time.
template <int Bytes>
DEVICE void copy_async(uint32 shared, const void* global)
{
    if constexpr (Bytes == 16)
    {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
    }
    else
    {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(shared), "l"(global), "n"(Bytes) : "memory");
    }
}

DEVICE void copy_async_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until at most Pending of this thread's groups are still under way.
template <int Pending>
DEVICE void copy_async_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

// Four (two, one) 8x8 matrices of 16-bit elements. Lane i gives the address of row i % 8 of matrix i / 8 in shared
// memory, aligned to 16; lane i gets elements 2 (i % 4), 2 (i % 4) + 1 of row i / 4 of each, or, transposed, of column i / 4.
DEVICE void load_matrices(uint32 (&d)[4], const void* row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(shared_address(row))
                 : "memory");
}

DEVICE void load_matrices_transposed(uint32 (&d)[4], const void* row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(shared_address(row))
                 : "memory");
}

DEVICE void load_matrices(uint32 (&d)[2], const void* row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(d[0]), "=r"(d[1])
                 : "r"(shared_address(row))
                 : "memory");
}

DEVICE void load_matrices_transposed(uint32 (&d)[2], const void* row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(d[0]), "=r"(d[1])
                 : "r"(shared_address(row))
                 : "memory");
}

// d = a b + c with a 16x16 and b 16x8 of bfloat16, c and d 16x8 of float. With g = lane / 4 and t = lane % 4, a lane holds
// a[g][2t..], a[g+8][2t..], a[g][2t+8..], a[g+8][2t+8..]; b[2t..][g], b[2t+8..][g]; c[g][2t..], c[g+8][2t..].
DEVICE void multiply_tiles(float (&d)[4], const uint32 (&a)[4], uint32 b0, uint32 b1, const float (&c)[4])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%10, %11, %12, %13};"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c[0]), "f"(c[1]), "f"(c[2]),
                   "f"(c[3]));
}

// The same with a 16x8 and b 8x8: a[g][2t..], a[g+8][2t..]; b[2t..][g].
DEVICE void multiply_tiles(float (&d)[4], const uint32 (&a)[2], uint32 b, const float (&c)[4])
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
                 "{%7, %8, %9, %10};"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(b), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}

// From here on: compute capability 9.0 (sm_90a) alone.

struct TensorMap;

// Barriers in shared memory. A phase ends when `arrivals` threads have arrived and all bytes that they expect have come; waiting
// for phase 0 is waiting for the first to end, and phases are told apart by their last bit. The threads that use one meet at a
// barrier of the block after barriers_started().
DEVICE void start_barrier(uint64* barrier, int arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

DEVICE void barriers_started()
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

DEVICE void arrive(uint64* barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

DEVICE void arrive_expecting(uint64* barrier, int bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}

DEVICE void wait_for_phase(uint64* barrier, int phase)
{
    uint32 done;
    do
    {
        asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
                     : "=r"(done)
                     : "r"(shared_address(barrier)), "r"(phase)
                     : "memory");
    } while (!done);
}

// Starts to copy a box of a tensor of four dimensions, the first one contiguous, to shared memory; the barrier counts its bytes,
// all of them, though what lies outside of the tensor comes as zeros. Where the map says so, pieces of rows change places (see warpgroup.cuh).
DEVICE void copy_box(void* shared, const TensorMap* map, int x, int y, int z, int w, uint64* barrier)
{
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], [%6];"
                 ::"r"(shared_address(shared)), "l"(map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(shared_address(barrier))
                 : "memory");
}

// The same for neighbouring bytes, a multiple of 16.
DEVICE void copy_bytes(void* shared, const void* global, int bytes, uint64* barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                 ::"r"(shared_address(shared)), "l"(global), "r"(bytes), "r"(shared_address(barrier))
                 : "memory");
}

// Starts to write neighbouring floats of shared memory to global memory, or to add them there one by one.
DEVICE void store_bytes(float* global, const float* shared, int bytes)
{
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(global), "r"(shared_address(shared)), "r"(bytes)
                 : "memory");
}

DEVICE void add_bytes(float* global, const float* shared, int bytes)
{
    asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;"
                 ::"l"(global), "r"(shared_address(shared)), "r"(bytes)
                 : "memory");
}

// Closes this thread's group of such writes, and waits until all its groups have read shared memory, or are done.
DEVICE void stores_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
DEVICE void wait_for_reads_of_stores() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
DEVICE void wait_for_stores() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

// What this thread has written to shared memory is seen by later copies from there and products that read there.
DEVICE void share_writes() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Counts as arrived at a barrier of `threads` threads and goes on.
DEVICE void block_barrier_arrive(int barrier, int threads)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

// A counter by which blocks of a launch take turns: reads of what others did before they counted come after the wait.
DEVICE void wait_for_count(const uint32* counter, uint32 count)
{
    uint32 now;
    do
    {
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(counter) : "memory");
    } while (now != count);
}

DEVICE void set_count(uint32* counter, uint32 count)
{
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(counter), "r"(count) : "memory");
}

// Registers of each thread of the warpgroup from here on: a multiple of 8. All its warps take part.
template <int Registers>
DEVICE void take_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers)); }

template <int Registers>
DEVICE void give_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers)); }

// Four 8x8 matrices to shared memory; as load_matrices, the other way.
DEVICE void store_matrices(const uint32 (&d)[4], void* row)
{
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
                 ::"r"(shared_address(row)), "r"(d[0]), "r"(d[1]), "r"(d[2]), "r"(d[3])
                 : "memory");
}

// Products of a warpgroup (warpgroup.cuh), which run while it goes on: what they read and write is theirs until products_wait.
DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until at most Pending committed groups are under way.
template <int Pending>
DEVICE void products_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory"); }

// Says to the compiler that these have changed by now.
template <int Count>
DEVICE void products_arrived(float (&d)[Count])
{
#pragma unroll
    for (int i = 0; i < Count; i++)
    {
        asm volatile("" : "+f"(d[i])::"memory");
    }
}

// Keeps compilers from moving what makes this number, which is never below zero, behind what comes next: left alone they compute
// after a wait for products what could be computed while the products run.
DEVICE void computed_by_now(float value)
{
    asm volatile("{ .reg .pred p; setp.lt.f32 p, %0, 0f00000000; @p brkpt; }" ::"f"(value) : "memory");
}

// The sums of a product in its assembly, 32 or 64 a thread, and as operands.
#define SUMS_32                                                                        \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "           \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define SUMS_64                                                                        \
    SUMS_32                                                                            \
    ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define OPERANDS_8(d, i)                                                               \
    "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define OPERANDS_32(d, i) OPERANDS_8(d, i), OPERANDS_8(d, i + 8), OPERANDS_8(d, i + 16), OPERANDS_8(d, i + 24)
#define OPERANDS_64(d) OPERANDS_32(d, 0), OPERANDS_32(d, 32)

// d = a b (+ d if `add`), with a 64 x 16 and b 16 x N of bfloat16 in shared memory, told by their descriptions (warpgroup.cuh);
// ALONG_ROWS: whether the 16 are rows of the tile. Each warp has 16 rows of d, in multiply_tiles' layout.
template <bool A_ALONG_ROWS, bool B_ALONG_ROWS>
DEVICE void multiply_warpgroup(float (&d)[32], uint64 a, uint64 b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0; "
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" SUMS_32 "}, %32, %33, p, 1, 1, %35, %36; }"
                 : OPERANDS_32(d, 0)
                 : "l"(a), "l"(b), "r"((int)add), "n"((int)A_ALONG_ROWS), "n"((int)B_ALONG_ROWS));
}

template <bool A_ALONG_ROWS, bool B_ALONG_ROWS>
DEVICE void multiply_warpgroup(float (&d)[64], uint64 a, uint64 b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %66, 0; "
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" SUMS_64 "}, %64, %65, p, 1, 1, %67, %68; }"
                 : OPERANDS_64(d)
                 : "l"(a), "l"(b), "r"((int)add), "n"((int)A_ALONG_ROWS), "n"((int)B_ALONG_ROWS));
}

// The same with a in registers, in multiply_tiles' layout.
template <bool B_ALONG_ROWS>
DEVICE void multiply_warpgroup(float (&d)[32], const uint32 (&a)[4], uint64 b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %37, 0; "
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" SUMS_32 "}, {%32, %33, %34, %35}, %36, p, 1, 1, %38; }"
                 : OPERANDS_32(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((int)add), "n"((int)B_ALONG_ROWS));
}

template <bool B_ALONG_ROWS>
DEVICE void multiply_warpgroup(float (&d)[64], const uint32 (&a)[4], uint64 b, bool add)
{
    asm volatile("{ .reg .pred p; setp.ne.b32 p, %69, 0; "
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" SUMS_64 "}, {%64, %65, %66, %67}, %68, p, 1, 1, %70; }"
                 : OPERANDS_64(d)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((int)add), "n"((int)B_ALONG_ROWS));
}

#undef SUMS_32
#undef SUMS_64
#undef OPERANDS_8
#undef OPERANDS_32
#undef OPERANDS_64
