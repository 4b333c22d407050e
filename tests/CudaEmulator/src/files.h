// Temporary files, the folder of the emulator itself, and the form in which compiled kernels travel.
#pragma once
#include <string>
#include <vector>

namespace emulator
{
// Where the emulator's library lies, with device.cuh and machine.h beside it.
const std::string& own_folder();

// A folder of this user's for compiled kernels, made if need be.
const std::string& cache_folder();

// Empty if it cannot be read.
std::string read_file(const std::string& path);
bool write_file(const std::string& path, const std::string& content);
void remove_file(const std::string& path);

// A new file; its path, or nothing for empty content or if it cannot be written.
std::string write_temporary(const std::string& content);

// A library's bytes behind a mark and their number, as NVRTC gives and the driver takes them; and back, empty for
// others.
std::string wrap_image(const std::string& library);
std::string unwrap_image(const void* image);

// A number that differs for different texts.
unsigned long long hash_of(const std::string& text, unsigned long long seed = 0xcbf29ce484222325u);
}
