// What emulated kernels ask of the machine: who they are, meetings with other threads, shared memory, and a way to
// report a mistake. Included by device.cuh, so it must not include anything itself; names in capitals are left to the
// macros of kernels.
#pragma once

#define EMULATOR_API __attribute__((visibility("default")))

namespace emulator
{
struct Index
{
    unsigned x, y, z;
};

// Where a CUDA thread stands in its launch.
struct Place
{
    Index thread, block, block_size, grid_size;
    int lane;
};

// The CUDA thread that runs now on this host thread.
extern EMULATOR_API __thread const Place* place;

// Ends the launch: the driver call returns an error, whose text has this sentence, the kernel, the block and the
// thread.
[[noreturn]] EMULATOR_API void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// A mistake if an address is not a multiple of `alignment`.
inline void check_aligned(const char* operation, const void* pointer, int alignment)
{
    if (reinterpret_cast<unsigned long long>(pointer) % alignment != 0)
    {
        fail("%s at %p, which is not a multiple of %d", operation, pointer, alignment);
    }
}

// Stands for a reinterpret_cast whose result is read or written at once.
template <typename To, typename From>
To aligned_cast(From* pointer)
{
    To result = reinterpret_cast<To>(pointer);
    check_aligned("an access", result, alignof(decltype(*result)));
    return result;
}

// Named barriers 0..15: meets `threads` threads of the block (0: all of them), or counts as arrived and goes on.
EMULATOR_API void meet(int barrier, int threads);
EMULATOR_API void arrive(int barrier, int threads);

// Waits, letting other threads of the block run, until a condition holds.
EMULATOR_API void wait_until(const char* operation, bool (*holds)(const void* state), const void* state);

template <typename Condition>
void wait_until(const char* operation, const Condition& condition)
{
    wait_until(operation, [](const void* state) { return (*static_cast<const Condition*>(state))(); }, &condition);
}

// The same for something that other blocks do.
EMULATOR_API void wait_for_other_blocks(const char* operation, bool (*holds)(const void* state), const void* state);

template <typename Condition>
void wait_for_other_blocks(const char* operation, const Condition& condition)
{
    wait_for_other_blocks(operation, [](const void* state) { return (*static_cast<const Condition*>(state))(); }, &condition);
}

// What the lanes of a warp handed in. Valid until the lane's next exchange but one.
constexpr int exchange_bytes = 128;
EMULATOR_API const unsigned char* exchange_bytes_of_warp(const char* operation, const void* mine, int bytes);

template <typename Value>
struct Lanes
{
    const unsigned char* first;

    const Value& operator[](int lane) const { return *reinterpret_cast<const Value*>(first + lane * exchange_bytes); }
};

// Waits for all lanes of the warp, each with something of its own. A mistake if they come with different operations.
template <typename Value>
Lanes<Value> exchange(const char* operation, const Value& mine)
{
    static_assert(sizeof(Value) <= exchange_bytes);
    return {exchange_bytes_of_warp(operation, &mine, sizeof(Value))};
}

// Asynchronous copies of the running thread: what is read before the wait is NaN.
EMULATOR_API void copy_later(void* shared, const void* global, int bytes, bool valid);
EMULATOR_API void commit_copies();
EMULATOR_API void wait_for_copies(int pending_groups);

// Copies that a barrier in shared memory counts: a box of a tensor that a map describes, zeros outside of it, and neighbouring
// bytes. They are there once `deliver_boxes` is called with that barrier, which calls `complete` for each; before, the target is NaN.
EMULATOR_API void copy_box_later(void* shared, const unsigned long long* map, const int* first, void* barrier);
EMULATOR_API void copy_bytes_later(void* shared, const void* global, int bytes, void* barrier);
EMULATOR_API void deliver_boxes(void* barrier, void (*complete)(void* barrier, int bytes));

// Asynchronous sums of the running thread: where those of `to` are made, which begin as what is there. `to` is NaN until the wait.
EMULATOR_API float* product_later(float* to, int count);
EMULATOR_API void commit_products();
EMULATOR_API void wait_for_products(int pending_groups);

// Addresses of shared memory as numbers, and back. A mistake if `bytes` from there are not all shared memory of the
// block.
EMULATOR_API unsigned number_of_shared(const void* pointer, int bytes);
EMULATOR_API void* shared_of_number(unsigned number);

// How the driver calls a kernel: by a table of addresses of its arguments.
struct Entry
{
    void (*run)(void** arguments);
    const unsigned* argument_bytes; // ends with a zero
    int most_threads;
};

template <int... Number> struct Numbers {};
template <int Count, int... Number> struct UpTo : UpTo<Count - 1, Count - 1, Number...> {};
template <int... Number> struct UpTo<0, Number...> { using type = Numbers<Number...>; };

template <auto Kernel> struct Caller;

template <typename... Parameter, void (*Kernel)(Parameter...)>
struct Caller<Kernel>
{
    static constexpr unsigned bytes[] = {sizeof(Parameter)..., 0};

    template <int... Number>
    static void call(void** arguments, Numbers<Number...>) { Kernel(*static_cast<Parameter*>(arguments[Number])...); }

    static void run(void** arguments) { call(arguments, typename UpTo<sizeof...(Parameter)>::type()); }
};

// Used by the lines that the emulated NVRTC appends for each kernel.
template <auto Kernel>
constexpr Entry entry(int most_threads, int = 0, int = 0)
{
    return {Caller<Kernel>::run, Caller<Kernel>::bytes, most_threads};
}
}
