// Loading compiled kernels, asking about them, launching them.
#include "files.h"
#include "grid.h"
#include "streams.h"
#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <map>
#include <memory>
#include <mutex>

namespace emulator
{
struct Function
{
    Kernel kernel;
    unsigned most_dynamic_bytes;
};

struct Module
{
    void* library;
    size_t static_shared_module;
    size_t static_shared_bytes;
    std::map<std::string, Function> functions;
};

namespace
{
constexpr unsigned default_shared_bytes = 48 << 10;
constexpr unsigned shared_bytes_of_multiprocessor = most_shared_bytes + 1024;
constexpr unsigned reserved_shared_bytes = 1024;
constexpr unsigned most_threads_of_multiprocessor = 2048;
constexpr unsigned most_blocks_of_multiprocessor = 32;
constexpr size_t argument_alignment = 64;

std::mutex& gate = *new std::mutex;

struct ThreadLocalBlock
{
    size_t module;
    size_t bytes;
};

int find_thread_local_block(dl_phdr_info* info, size_t, void* data)
{
    auto* block = static_cast<ThreadLocalBlock*>(data);
    if (info->dlpi_tls_modid != block->module)
    {
        return 0;
    }

    for (int i = 0; i < info->dlpi_phnum; i++)
    {
        block->bytes = info->dlpi_phdr[i].p_type == PT_TLS ? info->dlpi_phdr[i].p_memsz : block->bytes;
    }

    return 1;
}

// Arguments of a launch, copied: the caller's are gone when a recorded launch is replayed.
class Arguments
{
  public:
    Arguments(const Entry& entry, void** from)
    {
        size_t total = 0;
        for (const unsigned* bytes = entry.argument_bytes; *bytes != 0; bytes++)
        {
            total += aligned(*bytes);
        }

        memory_.reset(static_cast<char*>(std::aligned_alloc(argument_alignment, std::max(total, argument_alignment))),
                      std::free);
        char* to = memory_.get();
        for (const unsigned* bytes = entry.argument_bytes; *bytes != 0; bytes++, from++)
        {
            std::memcpy(to, *from, *bytes);
            addresses_.push_back(to);
            to += aligned(*bytes);
        }
    }

    void** addresses() { return addresses_.data(); }

  private:
    static size_t aligned(size_t bytes)
    {
        return (bytes + argument_alignment - 1) / argument_alignment * argument_alignment;
    }

    std::shared_ptr<char> memory_;
    std::vector<void*> addresses_;
};

Status check_launch(const Function& function, Index grid, Index block, unsigned shared_bytes)
{
    const Kernel& kernel = function.kernel;
    unsigned long threads = static_cast<unsigned long>(block.x) * block.y * block.z;
    std::string what = std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " + std::to_string(grid.z) +
                       " blocks of " + std::to_string(threads) + " threads with " + std::to_string(shared_bytes) +
                       " bytes of shared memory";
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
        grid.z > 65535)
    {
        return report(invalid_value, kernel.name + ": a grid of " + what);
    }

    if (threads > static_cast<unsigned long>(kernel.entry.most_threads))
    {
        return report(invalid_value,
                      kernel.name + " has at most " + std::to_string(kernel.entry.most_threads) + " threads: " + what);
    }

    return shared_bytes <= function.most_dynamic_bytes
               ? success
               : report(invalid_value, kernel.name + " was allowed " + std::to_string(function.most_dynamic_bytes) +
                                           " bytes of dynamic shared memory: " + what);
}
}

EXPORT Status cuModuleLoadData(Module** module, const void* image)
{
    if (Status status = require_context(); status != success)
    {
        return status;
    }

    std::string file = write_temporary(unwrap_image(image));
    void* library = file.empty() ? nullptr : dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
    {
        const char* why = file.empty() ? nullptr : dlerror();
        return why == nullptr ? invalid_image : report(invalid_image, why);
    }

    remove_file(file);
    ThreadLocalBlock block{};
    if (dlinfo(library, RTLD_DI_TLS_MODID, &block.module) == 0 && block.module != 0)
    {
        dl_iterate_phdr(find_thread_local_block, &block);
    }

    *module = new Module{library, block.module, block.bytes, {}};
    return success;
}

EXPORT Status cuModuleUnload(Module* module)
{
    dlclose(module->library);
    delete module;
    return success;
}

EXPORT Status cuModuleGetFunction(Function** function, Module* module, const char* name)
{
    if (Status status = require_context(); status != success)
    {
        return status;
    }

    std::lock_guard lock(gate);
    auto found = module->functions.find(name);
    if (found == module->functions.end())
    {
        auto* entry =
            static_cast<const Entry*>(dlsym(module->library, (std::string("emulator_entry_") + name).c_str()));
        if (entry == nullptr)
        {
            return not_found;
        }

        unsigned most_dynamic_bytes =
            module->static_shared_bytes < default_shared_bytes ? default_shared_bytes - module->static_shared_bytes : 0;
        Kernel kernel{name, *entry, module->static_shared_module, module->static_shared_bytes};
        found = module->functions.emplace(name, Function{kernel, most_dynamic_bytes}).first;
    }

    *function = &found->second;
    return success;
}

EXPORT Status cuFuncGetAttribute(int* value, int number, Function* function)
{
    switch (number)
    {
    case 0: *value = function->kernel.entry.most_threads; break;
    case 1: *value = static_cast<int>(function->kernel.static_shared_bytes); break;
    case 4: *value = 32; break;
    case 8: *value = static_cast<int>(function->most_dynamic_bytes); break;
    default: *value = 0; break;
    }

    return require_context();
}

EXPORT Status cuFuncSetAttribute(Function* function, int number, int value)
{
    if (number == 8)
    {
        if (value < 0 || value + function->kernel.static_shared_bytes > most_shared_bytes)
        {
            return invalid_value;
        }

        function->most_dynamic_bytes = static_cast<unsigned>(value);
    }

    return require_context();
}

EXPORT Status cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function* function, int threads,
                                                          size_t dynamic_bytes)
{
    unsigned shared =
        static_cast<unsigned>(function->kernel.static_shared_bytes + dynamic_bytes) + reserved_shared_bytes;
    if (threads <= 0)
    {
        return invalid_value;
    }

    *blocks = static_cast<int>(
        std::min({most_blocks_of_multiprocessor, most_threads_of_multiprocessor / static_cast<unsigned>(threads),
                  shared_bytes_of_multiprocessor / shared}));
    return require_context();
}

EXPORT Status cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                             unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream* stream,
                             void** arguments, void**)
{
    Index grid{grid_x, grid_y, grid_z};
    Index block{block_x, block_y, block_z};
    Status status = check_launch(*function, grid, block, shared_bytes);
    if (status != success)
    {
        return status;
    }

    return submit(stream, [=, copies = Arguments(function->kernel.entry, arguments)]() mutable {
        std::string failure;
        return run_grid({&function->kernel, grid, block, shared_bytes, copies.addresses()}, failure)
                   ? success
                   : report(launch_failed, failure);
    });
}

// CUlaunchConfig. Its attributes say what may overlap, and nothing does here.
struct LaunchConfiguration
{
    unsigned grid_x, grid_y, grid_z;
    unsigned block_x, block_y, block_z;
    unsigned shared_bytes;
    Stream* stream;
    const void* attributes;
    unsigned attribute_count;
};

EXPORT Status cuLaunchKernelEx(const LaunchConfiguration* launch, Function* function, void** arguments, void** extra)
{
    return cuLaunchKernel(function, launch->grid_x, launch->grid_y, launch->grid_z, launch->block_x, launch->block_y,
                          launch->block_z, launch->shared_bytes, launch->stream, arguments, extra);
}
}
