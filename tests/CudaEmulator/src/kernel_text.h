// What is CUDA in a kernel's preprocessed text, said in C++.
#pragma once
#include <string>

namespace emulator
{
// Shared memory becomes thread-local memory of the host thread that runs the block, kernels become ordinary functions,
// each with an `emulator::Entry` named emulator_entry_<kernel> at the end of the text.
std::string host_text_of(const std::string& preprocessed);
}
