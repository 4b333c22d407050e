#include "grid.h"
#include "memory.h"
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <ucontext.h>

namespace emulator
{
namespace
{
constexpr size_t spare_stack_bytes = 64 << 10;

struct sigaction previous_action;
__thread const void* fault_address;
// Where to go on after a fault, which may have been that a stack was full.
__thread char* spare_stack_top;

[[noreturn]] void report_fault() { fail("touched %s", describe_address(fault_address).c_str()); }

// A fault of a kernel goes on as a call of report_fault; any other is whose it was before.
void on_fault(int, siginfo_t* info, void* context)
{
    if (Block::current() == nullptr)
    {
        sigaction(SIGSEGV, &previous_action, nullptr);
        return;
    }

    fault_address = info->si_addr;
    auto* machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    machine->gregs[REG_RSP] = reinterpret_cast<greg_t>(spare_stack_top) - 8;
    machine->gregs[REG_RIP] = reinterpret_cast<greg_t>(report_fault);
#else
    machine->sp = reinterpret_cast<uint64_t>(spare_stack_top);
    machine->pc = reinterpret_cast<uint64_t>(report_fault);
#endif
}

void catch_faults()
{
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous_action);
}

// Threads that wait for work. Never destroyed, so that they may sleep while the process ends.
class Workers
{
  public:
    Workers()
    {
        const char* asked = std::getenv("DYNCONV_EMULATOR_THREADS");
        int count = asked != nullptr ? std::atoi(asked) : static_cast<int>(std::thread::hardware_concurrency());
        count_ = std::clamp(count, 1, 64);
        for (int i = 0; i < count_; i++)
        {
            std::thread([this] { serve(); }).detach();
        }
    }

    void run(long count, const std::function<void(long)>& work)
    {
        std::lock_guard one_at_a_time(callers_);
        std::unique_lock lock(gate_);
        work_ = &work;
        next_ = 0;
        count_of_work_ = count;
        // A round that has less work than threads wakes no more than it needs.
        joining_ = busy_ = static_cast<int>(std::min<long>(count_, count));
        joining_ == 1 ? wake_.notify_one() : wake_.notify_all();
        done_.wait(lock, [this] { return busy_ == 0; });
    }

  private:
    void serve()
    {
        stack_t stack = {};
        stack.ss_sp = std::malloc(spare_stack_bytes);
        stack.ss_size = spare_stack_bytes;
        sigaltstack(&stack, nullptr);
        spare_stack_top = static_cast<char*>(std::aligned_alloc(16, spare_stack_bytes)) + spare_stack_bytes;
        std::unique_lock lock(gate_);
        for (;;)
        {
            wake_.wait(lock, [this] { return joining_ > 0; });
            joining_--;
            lock.unlock();
            for (long i; (i = next_.fetch_add(1)) < count_of_work_;)
            {
                (*work_)(i);
            }

            lock.lock();
            if (--busy_ == 0)
            {
                done_.notify_all();
            }
        }
    }

    std::mutex callers_, gate_;
    std::condition_variable wake_, done_;
    const std::function<void(long)>* work_ = nullptr;
    std::atomic<long> next_ = 0;
    long count_of_work_ = 0;
    int count_ = 0, joining_ = 0, busy_ = 0;
};
}

void run_parallel(long count, const std::function<void(long)>& work)
{
    static Workers& workers = *new Workers;
    if (count > 0)
    {
        workers.run(count, work);
    }
}

bool run_grid(const Launch& launch, std::string& failure)
{
    static const bool catching = (catch_faults(), true);
    (void)catching;
    std::mutex gate;
    std::atomic<bool> failed = false;
    long blocks = static_cast<long>(launch.grid.x) * launch.grid.y * launch.grid.z;
    run_parallel(blocks, [&](long i) {
        static thread_local Block* block = new Block;
        Index index{static_cast<unsigned>(i % launch.grid.x), static_cast<unsigned>(i / launch.grid.x % launch.grid.y),
                    static_cast<unsigned>(i / launch.grid.x / launch.grid.y)};
        if (!failed && !block->run(launch, index))
        {
            std::lock_guard lock(gate);
            failure = failed ? failure : block->failure();
            failed = true;
        }
    });
    return !failed;
}
}
