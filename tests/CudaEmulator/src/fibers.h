// Stacks that one host thread switches between.
#pragma once
#include <cstddef>

namespace emulator
{
// A stack of its own for each CUDA thread of a block. A page that cannot be touched lies below each.
class Stacks
{
  public:
    static constexpr size_t bytes = 256 << 10;

    // Where stack number `index` ends; more are made as they are asked for.
    void* top(int index);

  private:
    static constexpr int capacity = 1024;
    char* memory_ = nullptr;
    int ready_ = 0;
};

// A place where execution can go on.
struct Context
{
    void* stack_pointer;
};

// A context that runs `start` on an empty stack; `start` must not return.
Context new_context(void* stack_top, void (*start)());

// Leaves off here, for a later switch to `from`, and goes on at `to`.
void switch_context(Context& from, const Context& to);
}
