// Memory of the emulated card, and host memory that the driver allocates.
#pragma once
#include <cstddef>
#include <string>

namespace emulator
{
// How many bytes the card has: DYNCONV_EMULATOR_MEMORY, or 1 GiB.
size_t memory_of_card();
size_t free_memory_of_card();

// Filled with NaN; null if the card has not that much left. Pages that cannot be touched lie before and behind.
void* allocate(size_t bytes, bool on_card);

enum class Freed
{
    yes,
    unknown,
    damaged
};
Freed free_memory(void* address, std::string& what);

// False if a write outside of an allocation shows next to it.
bool guards_are_whole(std::string& what);

// Whether these bytes all belong to one allocation of the card.
bool is_on_card(const void* address, size_t bytes);

// Where an address lies, as a half sentence.
std::string describe_address(const void* address);
}
