// Kernels are compiled with the compiler's checks of undefined behaviour, clang's and g++'s alike; these are the functions that a
// failed check calls.
#include "../machine.h"

namespace
{
struct Location
{
    const char* file;
    unsigned line, column;
};

struct Check
{
    Location location;
};

// The checks of one access: the type's description, the logarithm of its alignment, and what was done.
struct AccessCheck
{
    Location location;
    const void* type;
    unsigned char alignment_bits;
};
}

#define HANDLER(name, ...) extern "C" [[noreturn]] EMULATOR_API void __ubsan_handle_##name##_abort(__VA_ARGS__)

HANDLER(type_mismatch_v1, AccessCheck* check, unsigned long address)
{
    emulator::fail("%s:%u: an access of %#lx, which is not a multiple of %d", check->location.file,
                   check->location.line, address, 1 << check->alignment_bits);
}

HANDLER(out_of_bounds, Check* check, unsigned long index)
{
    emulator::fail("%s:%u: index %ld is out of the array's bounds", check->location.file, check->location.line,
                   static_cast<long>(index));
}

HANDLER(shift_out_of_bounds, Check* check, unsigned long, unsigned long bits)
{
    emulator::fail("%s:%u: a shift by %ld", check->location.file, check->location.line, static_cast<long>(bits));
}

HANDLER(divrem_overflow, Check* check, unsigned long, unsigned long)
{
    emulator::fail("%s:%u: a division by zero, or of the smallest number by -1", check->location.file,
                   check->location.line);
}
