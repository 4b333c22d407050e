// Launches: the blocks of a grid on the host's threads.
#pragma once
#include "block.h"
#include <functional>

namespace emulator
{
// Runs all blocks and returns; false if a thread made a mistake, which `failure` then tells.
bool run_grid(const Launch& launch, std::string& failure);

// Calls work(0), work(1), ... on the host threads that also run blocks.
void run_parallel(long count, const std::function<void(long)>& work);
}
