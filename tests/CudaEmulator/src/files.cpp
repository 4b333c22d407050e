#include "files.h"
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

namespace emulator
{
namespace
{
constexpr char mark[8] = {'D', 'y', 'n', 'C', 'o', 'n', 'v', 'E'};

struct ImageHeader
{
    char mark[8];
    uint64_t bytes;
};

std::string temporary_root()
{
    const char* asked = std::getenv("TMPDIR");
    return asked != nullptr && *asked != 0 ? asked : "/tmp";
}
}

const std::string& own_folder()
{
    static const std::string& folder = *new std::string([] {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&own_folder), &info);
        char* path = realpath(info.dli_fname, nullptr);
        std::string result = path == nullptr ? info.dli_fname : path;
        std::free(path);
        return result.substr(0, result.rfind('/'));
    }());
    return folder;
}

const std::string& cache_folder()
{
    static const std::string& folder = *new std::string([] {
        std::string path = temporary_root() + "/dynconv-cuda-emulator-" + std::to_string(getuid());
        mkdir(path.c_str(), 0700);
        return path;
    }());
    return folder;
}

std::string read_file(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool write_file(const std::string& path, const std::string& content)
{
    std::ofstream file(path, std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    return file.good();
}

void remove_file(const std::string& path) { unlink(path.c_str()); }

std::string write_temporary(const std::string& content)
{
    std::string path = cache_folder() + "/load-XXXXXX";
    int file = content.empty() ? -1 : mkstemp(path.data());
    if (file < 0)
    {
        return {};
    }

    close(file);
    return write_file(path, content) ? path : std::string();
}

std::string wrap_image(const std::string& library)
{
    ImageHeader header{{}, library.size()};
    std::memcpy(header.mark, mark, sizeof mark);
    return std::string(reinterpret_cast<const char*>(&header), sizeof header) + library;
}

std::string unwrap_image(const void* image)
{
    ImageHeader header;
    if (std::memcmp(image, mark, sizeof mark) != 0)
    {
        return {};
    }

    std::memcpy(&header, image, sizeof header);
    return {static_cast<const char*>(image) + sizeof header, header.bytes};
}

unsigned long long hash_of(const std::string& text, unsigned long long seed)
{
    for (unsigned char byte : text)
    {
        seed = (seed ^ byte) * 0x100000001b3u;
    }

    return seed ^ seed >> 29;
}
}
