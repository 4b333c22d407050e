// The driver's functions for the card, its memory and its status codes.
#include "block.h"
#include "memory.h"
#include "streams.h"
#include "tensor_map.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

namespace emulator
{
namespace
{
constexpr int driver_version = 13000;
constexpr int multiprocessors = 4;
constexpr int l2_cache_bytes = 50 << 20;
constexpr size_t most_shared_bytes_by_default = 48 << 10;
// The one context there is; any address does.
char context;
thread_local void* current_context = nullptr;

std::mutex& gate = *new std::mutex;
std::string& last_report = *new std::string;

struct StatusText
{
    Status status;
    const char* name;
    const char* text;
};

constexpr StatusText status_texts[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {invalid_handle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {capture_unsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {capture_invalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
};

const StatusText* find(int status)
{
    for (const StatusText& text : status_texts)
    {
        if (text.status == status)
        {
            return &text;
        }
    }

    return nullptr;
}

int architecture()
{
    const char* asked = std::getenv("DYNCONV_EMULATOR_ARCHITECTURE");
    return asked != nullptr && *asked != 0 ? std::atoi(asked) : 90;
}

// The driver's number of an attribute.
int attribute(int number)
{
    switch (number)
    {
    case 1: return most_threads_of_block;
    case 2: return most_threads_of_block;
    case 3: return most_threads_of_block;
    case 4: return 64;
    case 5: return 0x7fffffff;
    case 6: return 65535;
    case 7: return 65535;
    case 8: return most_shared_bytes_by_default;
    case 10: return warp_size;
    case 12: return 65536;
    case 13: return 1000000;
    case 16: return multiprocessors;
    case 36: return 1000000;
    case 37: return 1024;
    case 38: return l2_cache_bytes;
    case 39: return 2048;
    case 41: return 1;
    case 75: return architecture() / 10;
    case 76: return architecture() % 10;
    case 81: return most_shared_bytes + 1024;
    case 82: return 65536;
    case 95: return 1;
    case 97: return most_shared_bytes;
    case 106: return 32;
    case 111: return 1024;
    default: return 0;
    }
}

Status check_card_memory(const char* what, const void* address, size_t bytes)
{
    return bytes == 0 || is_on_card(address, bytes)
               ? success
               : report(invalid_value,
                        std::string(what) + " of " + std::to_string(bytes) + " bytes at " + describe_address(address));
}

template <typename T>
Status fill(T* to, T value, size_t count, Stream* stream)
{
    return submit(stream, [=] {
        Status status = check_card_memory("filling memory", to, count * sizeof(T));
        if (status == success)
        {
            std::fill_n(to, count, value);
        }

        return status;
    });
}

Status copy(void* to, const void* from, size_t bytes, bool to_card, bool from_card, Stream* stream)
{
    return submit(stream, [=] {
        Status status = to_card ? check_card_memory("a copy to the card", to, bytes) : success;
        status = status == success && from_card ? check_card_memory("a copy from the card", from, bytes) : status;
        if (status == success)
        {
            std::memmove(to, from, bytes);
        }

        return status;
    });
}

Status allocate_into(void** address, size_t bytes, bool on_card)
{
    Status status = require_context();
    status = status == success ? forbid_while_capturing(nullptr) : status;
    if (status != success || bytes == 0)
    {
        return status != success ? status : invalid_value;
    }

    *address = allocate(bytes, on_card);
    return *address != nullptr ? success : out_of_memory;
}

Status give_back(void* address)
{
    if (Status status = require_context(); status != success)
    {
        return status;
    }

    std::string what;
    switch (address == nullptr ? Freed::yes : free_memory(address, what))
    {
    case Freed::unknown: return report(invalid_value, "freeing " + describe_address(address));
    case Freed::damaged: return report(launch_failed, what);
    default: return success;
    }
}
}

Status report(Status status, const std::string& sentence)
{
    std::lock_guard lock(gate);
    last_report = std::string(find(status)->text) + ": " + sentence;
    std::fprintf(stderr, "CUDA emulator: %s\n", sentence.c_str());
    return status;
}

Status require_context()
{
    return current_context != nullptr ? success
                                      : report(invalid_context, "a call on a thread that has not chosen a card");
}

EXPORT Status cuGetErrorName(int status, const char** name)
{
    const StatusText* text = find(status);
    *name = text == nullptr ? nullptr : text->name;
    return text == nullptr ? invalid_value : success;
}

EXPORT Status cuGetErrorString(int status, const char** string)
{
    std::lock_guard lock(gate);
    const StatusText* text = find(status);
    bool reported = text != nullptr && !last_report.empty() && last_report.rfind(text->text, 0) == 0;
    // A copy, because the next report may come while the caller still reads.
    *string = text == nullptr ? nullptr : reported ? strdup(last_report.c_str()) : text->text;
    if (reported)
    {
        last_report.clear();
    }

    return text == nullptr ? invalid_value : success;
}

EXPORT Status cuInit(unsigned) { return success; }

EXPORT Status cuDriverGetVersion(int* version)
{
    *version = driver_version;
    return success;
}

EXPORT Status cuDeviceGetCount(int* count)
{
    *count = 1;
    return success;
}

EXPORT Status cuDeviceGet(int* device, int ordinal)
{
    *device = 0;
    return ordinal == 0 ? success : invalid_device;
}

EXPORT Status cuDeviceGetName(char* name, int length, int)
{
    std::snprintf(name, length, "DynConv emulator");
    return success;
}

EXPORT Status cuDeviceGetAttribute(int* value, int number, int)
{
    *value = attribute(number);
    return success;
}

EXPORT Status cuDeviceTotalMem_v2(size_t* bytes, int)
{
    *bytes = memory_of_card();
    return success;
}

EXPORT Status cuDevicePrimaryCtxRetain(void** result, int)
{
    *result = &context;
    return success;
}

EXPORT Status cuDevicePrimaryCtxRelease_v2(int) { return success; }

EXPORT Status cuCtxSetCurrent(void* chosen)
{
    if (chosen != nullptr && chosen != &context)
    {
        return invalid_context;
    }

    current_context = chosen;
    return success;
}

EXPORT Status cuMemGetInfo_v2(size_t* free, size_t* total)
{
    *free = free_memory_of_card();
    *total = memory_of_card();
    return require_context();
}

EXPORT Status cuMemAlloc_v2(void** address, size_t bytes) { return allocate_into(address, bytes, true); }

EXPORT Status cuMemFree_v2(void* address) { return give_back(address); }

EXPORT Status cuMemHostAlloc(void** address, size_t bytes, unsigned) { return allocate_into(address, bytes, false); }

EXPORT Status cuMemAllocHost_v2(void** address, size_t bytes) { return allocate_into(address, bytes, false); }

EXPORT Status cuMemFreeHost(void* address) { return give_back(address); }

EXPORT Status cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t bytes, Stream* stream)
{
    return copy(to, from, bytes, true, false, stream);
}

EXPORT Status cuMemcpyHtoD_v2(void* to, const void* from, size_t bytes)
{
    return copy(to, from, bytes, true, false, nullptr);
}

EXPORT Status cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t bytes, Stream* stream)
{
    return copy(to, from, bytes, false, true, stream);
}

EXPORT Status cuMemcpyDtoH_v2(void* to, const void* from, size_t bytes)
{
    return copy(to, from, bytes, false, true, nullptr);
}

EXPORT Status cuMemcpyDtoDAsync_v2(void* to, const void* from, size_t bytes, Stream* stream)
{
    return copy(to, from, bytes, true, true, stream);
}

EXPORT Status cuMemcpyDtoD_v2(void* to, const void* from, size_t bytes)
{
    return copy(to, from, bytes, true, true, nullptr);
}

EXPORT Status cuMemcpyAsync(void* to, const void* from, size_t bytes, Stream* stream)
{
    return copy(to, from, bytes, false, false, stream);
}

EXPORT Status cuMemcpy(void* to, const void* from, size_t bytes)
{
    return copy(to, from, bytes, false, false, nullptr);
}

// Tensors of four dimensions, their boxes as they are or in rows of 128 bytes whose pieces change places.
EXPORT Status cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* start, const unsigned long long* sizes,
                                     const unsigned long long* strides, const unsigned* box, const unsigned* steps,
                                     int interleave, int swizzle, int, int fill)
{
    constexpr unsigned element_bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2};
    constexpr int swizzle_none = 0, swizzle_128 = 3;
    if (rank != 4 || type < 0 || type > 9 || interleave != 0 || fill != 0 || (swizzle != swizzle_none && swizzle != swizzle_128))
    {
        return report(invalid_value, "a tensor map of a kind that is not emulated");
    }

    TensorMapWords words{TensorMapWords::magic_number, static_cast<const char*>(start), {}, {}, {}, element_bytes[type], swizzle == swizzle_128};
    bool fits = reinterpret_cast<uintptr_t>(start) % 16 == 0 && reinterpret_cast<uintptr_t>(map) % 64 == 0;
    size_t bytes = words.element_bytes;
    for (unsigned i = 0; i < rank; i++)
    {
        words.sizes[i] = sizes[i];
        words.box[i] = box[i];
        fits &= sizes[i] > 0 && sizes[i] <= 1ull << 32 && box[i] > 0 && box[i] <= 256 && steps[i] == 1;
        if (i > 0)
        {
            words.strides[i - 1] = strides[i - 1];
            fits &= strides[i - 1] % 16 == 0 && strides[i - 1] < 1ull << 40;
            bytes += (sizes[i] - 1) * strides[i - 1];
        }
    }

    bytes += (sizes[0] - 1) * words.element_bytes;
    fits &= box[0] * words.element_bytes % 16 == 0;
    if (!fits)
    {
        return report(invalid_value, "a tensor map whose sizes, strides or box are not allowed");
    }

    if (Status status = check_card_memory("a tensor map", start, bytes); status != success)
    {
        return status;
    }

    std::memcpy(map, &words, sizeof words);
    return success;
}

EXPORT Status cuMemsetD8Async(uint8_t* to, uint8_t value, size_t count, Stream* stream)
{
    return fill(to, value, count, stream);
}

EXPORT Status cuMemsetD16Async(uint16_t* to, uint16_t value, size_t count, Stream* stream)
{
    return fill(to, value, count, stream);
}

EXPORT Status cuMemsetD32Async(uint32_t* to, uint32_t value, size_t count, Stream* stream)
{
    return fill(to, value, count, stream);
}
}
