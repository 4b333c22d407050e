// One block of CUDA threads: each is a fiber of the host thread that runs the block.
#pragma once
#include "../machine.h"
#include "fibers.h"
#include "tensor_map.h"
#include <string>
#include <utility>
#include <vector>

namespace emulator
{
constexpr int warp_size = 32;
constexpr int barriers_of_block = 16;
constexpr int most_threads_of_block = 1024;
constexpr unsigned most_shared_bytes = 232448;

// What a loaded kernel is to the machine.
struct Kernel
{
    std::string name;
    Entry entry;
    // Static shared memory: a thread-local block of the kernel's library, by its number.
    size_t static_shared_module;
    size_t static_shared_bytes;
};

struct Launch
{
    const Kernel* kernel;
    Index grid, block;
    unsigned shared_bytes;
    void** arguments;
};

class Block
{
  public:
    // Runs all threads of a block; false if one made a mistake, which `failure` then tells.
    bool run(const Launch& launch, Index index);

    const std::string& failure() const { return failure_; }

    // The block that this host thread runs; null if none.
    static Block* current();

    // What a running thread asks for; see machine.h.
    [[noreturn]] void fail(const char* sentence);
    void meet(int barrier, int threads, bool wait);
    void wait_until(const char* operation, bool (*holds)(const void*), const void* state);
    const unsigned char* exchange(const char* operation, const void* mine, int bytes);
    void copy_later(void* shared, const void* global, int bytes, bool valid);
    void commit_copies();
    void wait_for_copies(int pending_groups);
    void wait_for_other_blocks(const char* operation, bool (*holds)(const void*), const void* state);
    void copy_box_later(void* shared, const TensorMapWords& map, const int* first, void* barrier);
    void copy_bytes_later(void* shared, const void* global, int bytes, void* barrier);
    void deliver_boxes(void* barrier, void (*complete)(void*, int));
    float* product_later(float* to, int count);
    void commit_products();
    void wait_for_products(int pending_groups);
    unsigned number_of_shared(const void* pointer, int bytes);
    void* shared_of_number(unsigned number);

  private:
    enum class State
    {
        ready,
        waiting,
        polling,
        ended
    };

    struct Copy
    {
        void* to;
        int bytes;
        int group;
        unsigned char data[16];
    };

    // A copy that a barrier in shared memory counts.
    struct Box
    {
        void* barrier;
        std::vector<std::pair<void*, std::vector<unsigned char>>> pieces;
        int bytes;
    };

    // Sums that the thread may not look at yet.
    struct Product
    {
        float* to;
        std::vector<float> sums;
        int group;
    };

    struct Thread
    {
        Place place;
        Context context;
        State state;
        const char* operation;
        int barrier;
        bool (*holds)(const void*);
        const void* condition;
        std::vector<Copy> copies;
        int open_group;
        std::vector<Product> products;
        int open_products;
    };

    struct Barrier
    {
        int expected;
        int arrived;
    };

    struct Warp
    {
        int first, lanes, arrived, generation;
        const char* operation;
        alignas(16) unsigned char handed_in[2][warp_size * exchange_bytes];
    };

    static void thread_main();
    void prepare(const Launch& launch, Index index);
    void poison_shared();
    void check_shared_end();
    bool run_warp(Warp& warp, bool descending);
    bool resume(Thread& thread);
    void give_way(State state, const char* operation);
    void report_deadlock();
    void record_failure(const char* sentence, const Place* at);

    const Launch* launch_ = nullptr;
    Index index_{};
    Stacks stacks_;
    Context scheduler_{};
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    Barrier barriers_[barriers_of_block];
    std::vector<Box> boxes_;
    bool waits_for_others_ = false;
    Thread* running_ = nullptr;
    char* static_shared_ = nullptr;
    int ended_ = 0;
    bool failed_ = false;
    std::string failure_;
};
}
