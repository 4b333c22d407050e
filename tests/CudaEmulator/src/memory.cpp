#include "memory.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace emulator
{
namespace
{
constexpr size_t alignment = 256;
constexpr unsigned char guard = 0xa5;
constexpr int poison = 0xff;
// Not to be touched, before and behind each allocation.
constexpr size_t fence_bytes = 4 << 20;
// Above this, filling would only cost memory that may never be used.
constexpr size_t most_poisoned_bytes = 256 << 20;

struct Allocation
{
    size_t bytes;
    bool on_card;
    char* mapping;
    size_t mapped_bytes;
};

// Never destroyed: worker threads may outlive static objects.
std::mutex& gate = *new std::mutex;
auto& allocations = *new std::map<char*, Allocation>;
size_t used_bytes;

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// The bytes around an allocation that are in reach but not its own.
template <typename Function>
void for_each_guard(char* address, const Allocation& allocation, const Function& function)
{
    char* first = allocation.mapping + fence_bytes;
    char* end = allocation.mapping + allocation.mapped_bytes - fence_bytes;
    function(first, static_cast<size_t>(address - first));
    function(address + allocation.bytes, static_cast<size_t>(end - address - allocation.bytes));
}

bool guard_is_whole(char* address, const Allocation& allocation, std::string& what)
{
    bool whole = true;
    for_each_guard(address, allocation, [&](char* from, size_t bytes) {
        auto* first = reinterpret_cast<unsigned char*>(from);
        auto* damaged = std::find_if(first, first + bytes, [](unsigned char byte) { return byte != guard; });
        if (damaged != first + bytes)
        {
            char text[200];
            std::snprintf(text, sizeof text, "something wrote to byte %td of an allocation of %zu bytes",
                          reinterpret_cast<char*>(damaged) - address, allocation.bytes);
            what = text;
            whole = false;
        }
    });
    return whole;
}
}

size_t memory_of_card()
{
    static const size_t bytes = [] {
        const char* asked = std::getenv("DYNCONV_EMULATOR_MEMORY");
        return asked != nullptr && *asked != 0 ? std::strtoull(asked, nullptr, 10) : 1ull << 30;
    }();
    return bytes;
}

size_t free_memory_of_card()
{
    std::lock_guard lock(gate);
    return memory_of_card() - used_bytes;
}

void* allocate(size_t bytes, bool on_card)
{
    std::lock_guard lock(gate);
    size_t rounded = round_up(bytes, alignment);
    if (on_card && (bytes > memory_of_card() || rounded > memory_of_card() - used_bytes))
    {
        return nullptr;
    }

    size_t inner = round_up(rounded, sysconf(_SC_PAGESIZE));
    void* mapping =
        mmap(nullptr, inner + 2 * fence_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
    {
        return nullptr;
    }

    char* first = static_cast<char*>(mapping) + fence_bytes;
    mprotect(first, inner, PROT_READ | PROT_WRITE);
    char* address = first + inner - rounded;
    Allocation allocation{bytes, on_card, static_cast<char*>(mapping), inner + 2 * fence_bytes};
    for_each_guard(address, allocation, [](char* from, size_t count) { std::memset(from, guard, count); });
    if (bytes <= most_poisoned_bytes)
    {
        std::memset(address, poison, bytes);
    }

    allocations.emplace(address, allocation);
    used_bytes += on_card ? rounded : 0;
    return address;
}

Freed free_memory(void* address, std::string& what)
{
    std::lock_guard lock(gate);
    auto found = allocations.find(static_cast<char*>(address));
    if (found == allocations.end())
    {
        return Freed::unknown;
    }

    const Allocation& allocation = found->second;
    bool whole = guard_is_whole(found->first, allocation, what);
    munmap(allocation.mapping, allocation.mapped_bytes);
    used_bytes -= allocation.on_card ? round_up(allocation.bytes, alignment) : 0;
    allocations.erase(found);
    return whole ? Freed::yes : Freed::damaged;
}

bool guards_are_whole(std::string& what)
{
    std::lock_guard lock(gate);
    return std::all_of(allocations.begin(), allocations.end(),
                       [&](const auto& entry) { return guard_is_whole(entry.first, entry.second, what); });
}

bool is_on_card(const void* address, size_t bytes)
{
    std::lock_guard lock(gate);
    char* at = static_cast<char*>(const_cast<void*>(address));
    auto behind = allocations.upper_bound(at);
    if (behind == allocations.begin())
    {
        return false;
    }

    const auto& [start, allocation] = *std::prev(behind);
    return allocation.on_card && at + bytes <= start + allocation.bytes;
}

std::string describe_address(const void* address)
{
    std::lock_guard lock(gate);
    char* at = static_cast<char*>(const_cast<void*>(address));
    char text[200];
    for (const auto& [start, allocation] : allocations)
    {
        if (at >= allocation.mapping && at < allocation.mapping + allocation.mapped_bytes)
        {
            std::snprintf(text, sizeof text, "byte %td of an allocation of %zu bytes", at - start, allocation.bytes);
            return text;
        }
    }

    std::snprintf(text, sizeof text, "address %p, which is no memory of the card", address);
    return text;
}
}
