// Streams do at once what they are given, or record it into a graph.
#pragma once
#include "status.h"
#include <functional>

namespace emulator
{
struct Stream;

// Runs or records; the status of the work, or of the recording.
Status submit(Stream* stream, std::function<Status()> work);

// A call that no stream may be recording during: waiting, allocating.
Status forbid_while_capturing(Stream* stream);
}
