// NVRTC: compiles kernels as C++ for the host, against the emulator's own device.cuh.
#include "files.h"
#include "kernel_text.h"
#include "status.h"
#include <cstdlib>
#include <cstring>
#include <map>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace emulator
{
namespace
{
enum Result
{
    done = 0,
    invalid_input = 3,
    invalid_program = 4,
    compilation_failed = 6,
};

constexpr int supported_architectures[] = {80, 86, 89, 90};

const std::vector<std::string> language = {"-std=c++17", "-w", "-fPIC"};

const std::vector<std::string> checks = {"-fsanitize=alignment,bounds,shift-exponent,integer-divide-by-zero",
                                         "-fno-sanitize-recover=all"};

// Hidden, or g++ would have all kernels of a process share the shared memory of an inline function, whatever size each gives it.
const std::vector<std::string> code_generation = {
    "-fvisibility=hidden",
    "-O1",       "-shared",         "-ffp-contract=off",    "-fno-exceptions",
    "-fno-rtti", "-fno-math-errno", "-fno-strict-aliasing", "-fstack-clash-protection"};

// sanitizer.cpp is the runtime library of the checks; g++ would link its own.
const std::vector<std::string> linking = {"-nodefaultlibs"};

struct Program
{
    std::string name, source, log, image;
    std::map<std::string, std::string> headers;
};

// A folder that goes away with what lies in it.
class Folder
{
  public:
    Folder()
    {
        path_ = cache_folder() + "/compile-XXXXXX";
        mkdtemp(path_.data());
    }

    ~Folder()
    {
        for (const std::string& file : files_)
        {
            remove_file(file);
        }

        rmdir(path_.c_str());
    }

    Folder(const Folder&) = delete;

    const std::string& path() const { return path_; }

    std::string file(const std::string& name)
    {
        files_.push_back(path_ + "/" + name);
        return files_.back();
    }

  private:
    std::string path_;
    std::vector<std::string> files_;
};

// Runs the compiler in a folder; what it says goes to a file there.
bool run_compiler(const std::string& folder, const std::string& log, std::vector<std::string> arguments)
{
    arguments.insert(arguments.begin(), EMULATOR_COMPILER);
    std::vector<char*> pointers;
    for (std::string& argument : arguments)
    {
        pointers.push_back(argument.data());
    }

    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), 01 | 0100 | 01000, 0600);
    pid_t process;
    int status = 1;
    if (posix_spawnp(&process, EMULATOR_COMPILER, &actions, nullptr, pointers.data(), environ) == 0)
    {
        waitpid(process, &status, 0);
    }

    posix_spawn_file_actions_destroy(&actions);
    return status == 0;
}

// The emulator's part in what a compiled kernel depends on.
unsigned long long own_hash()
{
    static const unsigned long long hash = hash_of(
        read_file(own_folder() + "/device.cuh"),
        hash_of(read_file(own_folder() + "/machine.h"), hash_of(read_file(own_folder() + "/" EMULATOR_LIBRARY))));
    return hash;
}

// NVRTC's options that mean something here, in the host compiler's form.
std::vector<std::string> host_options(int count, const char* const* options)
{
    std::vector<std::string> result;
    for (int i = 0; i < count; i++)
    {
        std::string option = options[i];
        size_t number = option.find("sm_");
        number = number == std::string::npos ? option.find("compute_") : number;
        if (option.rfind("-D", 0) == 0 || option.rfind("-U", 0) == 0)
        {
            result.push_back(option);
            if (option.size() == 2 && i + 1 < count)
            {
                result.push_back(options[++i]);
            }
        }
        else if (option.rfind("--define-macro=", 0) == 0)
        {
            result.push_back("-D" + option.substr(std::strlen("--define-macro=")));
        }
        else if (number != std::string::npos && option.find("arch") != std::string::npos)
        {
            result.push_back("-D__CUDA_ARCH__=" +
                             std::to_string(10 * std::atoi(option.c_str() + option.find('_', number) + 1)));
        }
    }

    return result;
}

std::vector<std::string> join(std::initializer_list<std::vector<std::string>> lists)
{
    std::vector<std::string> result;
    for (const auto& list : lists)
    {
        result.insert(result.end(), list.begin(), list.end());
    }

    return result;
}

Result compile(Program& program, const std::vector<std::string>& options)
{
    Folder folder;
    std::string log = folder.file("log");
    for (const auto& [name, text] : program.headers)
    {
        if (name != "device.cuh")
        {
            write_file(folder.file(name), text);
        }
    }

    write_file(folder.file(program.name), program.source);
    std::string preprocessed = folder.file("preprocessed.ii");
    bool made = run_compiler(
        folder.path(), log,
        join({language, options, {"-E", "-x", "c++", "-I", own_folder(), program.name, "-o", "preprocessed.ii"}}));
    std::string text = made ? host_text_of(read_file(preprocessed)) : "";
    std::string cached =
        cache_folder() + "/" + std::to_string(hash_of(text, own_hash())) + "-" + std::to_string(hash_of(text)) + ".so";
    std::string library = made ? read_file(cached) : "";
    if (made && library.empty())
    {
        write_file(preprocessed, text);
        std::string built = folder.file("built.so");
        made = run_compiler(folder.path(), log,
                            join({language,
                                  checks,
                                  code_generation,
                                  linking,
                                  {"-x", "c++-cpp-output", "preprocessed.ii", "-x", "none",
                                   own_folder() + "/" EMULATOR_LIBRARY, "-o", "built.so"}}));
        library = made ? read_file(built) : "";
        if (made)
        {
            std::rename(built.c_str(), cached.c_str());
        }
    }

    program.log = read_file(log);
    program.image = made ? wrap_image(library) : "";
    return made ? done : compilation_failed;
}

Result give(const std::string& text, bool terminated, char* to)
{
    std::memcpy(to, text.c_str(), text.size() + (terminated ? 1 : 0));
    return done;
}
}

EXPORT const char* nvrtcGetErrorString(int result)
{
    switch (result)
    {
    case done: return "NVRTC_SUCCESS";
    case invalid_input: return "NVRTC_ERROR_INVALID_INPUT";
    case invalid_program: return "NVRTC_ERROR_INVALID_PROGRAM";
    case compilation_failed: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR unknown";
    }
}

// No version of NVIDIA's, and another one for each emulator: what one compiled must not be taken for another's.
EXPORT Result nvrtcVersion(int* major, int* minor)
{
    *major = 0;
    *minor = static_cast<int>(own_hash() & 0x7fffffff);
    return done;
}

EXPORT Result nvrtcGetNumSupportedArchs(int* count)
{
    *count = static_cast<int>(std::size(supported_architectures));
    return done;
}

EXPORT Result nvrtcGetSupportedArchs(int* architectures)
{
    std::memcpy(architectures, supported_architectures, sizeof supported_architectures);
    return done;
}

EXPORT Result nvrtcCreateProgram(Program** program, const char* source, const char* name, int count,
                                 const char* const* headers, const char* const* header_names)
{
    if (source == nullptr)
    {
        return invalid_input;
    }

    *program = new Program{name == nullptr ? "default_program.cu" : name, source, {}, {}, {}};
    for (int i = 0; i < count; i++)
    {
        (*program)->headers[header_names[i]] = headers[i];
    }

    return done;
}

EXPORT Result nvrtcDestroyProgram(Program** program)
{
    delete *program;
    *program = nullptr;
    return done;
}

EXPORT Result nvrtcCompileProgram(Program* program, int count, const char* const* options)
{
    return compile(*program, host_options(count, options));
}

EXPORT Result nvrtcGetProgramLogSize(Program* program, size_t* bytes)
{
    *bytes = program->log.size() + 1;
    return done;
}

EXPORT Result nvrtcGetProgramLog(Program* program, char* log) { return give(program->log, true, log); }

EXPORT Result nvrtcGetCUBINSize(Program* program, size_t* bytes)
{
    *bytes = program->image.size();
    return program->image.empty() ? invalid_program : done;
}

EXPORT Result nvrtcGetCUBIN(Program* program, char* cubin) { return give(program->image, false, cubin); }

EXPORT Result nvrtcGetPTXSize(Program* program, size_t* bytes) { return nvrtcGetCUBINSize(program, bytes); }

EXPORT Result nvrtcGetPTX(Program* program, char* ptx) { return nvrtcGetCUBIN(program, ptx); }
}
