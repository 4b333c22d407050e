// Status codes, by the driver's names and values.
#pragma once
#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace emulator
{
enum Status
{
    success = 0,
    invalid_value = 1,
    out_of_memory = 2,
    invalid_device = 101,
    invalid_image = 200,
    invalid_context = 201,
    invalid_handle = 400,
    not_found = 500,
    illegal_address = 700,
    launch_failed = 719,
    capture_unsupported = 900,
    capture_invalidated = 901,
};

// A mistake of a kernel or of its host: told on standard error and by the status's text.
Status report(Status status, const std::string& sentence);

// Most calls need a context on the thread that makes them; a thread of a pool has none at first.
Status require_context();
}
