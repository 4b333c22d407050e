#include "fibers.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

// The registers that a function must keep go to the stack; everything else the caller has saved already.
#if defined(__x86_64__)
asm(R"(
.text
.type emulator_switch_context, @function
emulator_switch_context:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch_context, .-emulator_switch_context
)");
static constexpr int saved_words = 6;
static constexpr int return_word = 6;
#elif defined(__aarch64__)
asm(R"(
.text
.type emulator_switch_context, @function
emulator_switch_context:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size emulator_switch_context, .-emulator_switch_context
)");
static constexpr int saved_words = 20;
static constexpr int return_word = 11;
#else
#error "The emulator switches stacks on x86-64 and arm64 only."
#endif

extern "C" void emulator_switch_context(void** save_at, void* go_to);

namespace emulator
{
void* Stacks::top(int index)
{
    if (memory_ == nullptr)
    {
        void* memory =
            mmap(nullptr, capacity * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
        {
            std::perror("CUDA emulator: no memory for stacks");
            std::abort();
        }

        memory_ = static_cast<char*>(memory);
    }

    for (; ready_ <= index; ready_++)
    {
        mprotect(memory_ + ready_ * bytes, sysconf(_SC_PAGESIZE), PROT_NONE);
    }

    return memory_ + (index + 1) * bytes;
}

Context new_context(void* stack_top, void (*start)())
{
    // A function finds its stack a multiple of 16 less the return address, which `start` has no use for.
    void** words = static_cast<void**>(stack_top) - 2 - saved_words - 2;
    for (int i = 0; i < saved_words + 4; i++)
    {
        words[i] = nullptr;
    }

    words[return_word] = reinterpret_cast<void*>(start);
    return {words};
}

void switch_context(Context& from, const Context& to)
{
    emulator_switch_context(&from.stack_pointer, to.stack_pointer);
}
}
