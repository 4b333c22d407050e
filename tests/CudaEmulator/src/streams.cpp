#include "streams.h"
#include "memory.h"
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

namespace emulator
{
struct Graph
{
    std::vector<std::function<Status()>> steps;
};

struct Stream
{
    bool capturing = false;
    bool valid = true;
    // 0: nothing that could wait for the card is allowed anywhere, 1: nor in the capturing thread, 2: only not here.
    int mode = 0;
    Graph graph;
};

namespace
{
constexpr int relaxed_mode = 2;

std::mutex& gate = *new std::mutex;
Stream& default_stream = *new Stream;
std::vector<Stream*>& capturing_streams = *new std::vector<Stream*>;

// Handles 0, 1 and 2 all stand for the default stream.
Stream& stream_of(Stream* handle) { return reinterpret_cast<uintptr_t>(handle) <= 2 ? default_stream : *handle; }

struct Event
{
    bool recorded = false;
    std::chrono::steady_clock::time_point time;
};

Status check_guards()
{
    std::string what;
    return guards_are_whole(what) ? success : report(launch_failed, what);
}
}

Status submit(Stream* handle, std::function<Status()> work)
{
    if (Status status = require_context(); status != success)
    {
        return status;
    }

    Stream& stream = stream_of(handle);
    {
        std::lock_guard lock(gate);
        if (stream.capturing)
        {
            if (!stream.valid)
            {
                return capture_invalidated;
            }

            stream.graph.steps.push_back(std::move(work));
            return success;
        }
    }

    return work();
}

Status forbid_while_capturing(Stream* handle)
{
    std::lock_guard lock(gate);
    for (Stream* stream : capturing_streams)
    {
        if (stream->mode != relaxed_mode || (handle != nullptr && stream == &stream_of(handle)))
        {
            stream->valid = false;
            return capture_unsupported;
        }
    }

    return success;
}

EXPORT Status cuStreamCreate(Stream** stream, unsigned)
{
    *stream = new Stream;
    return require_context();
}

EXPORT Status cuStreamCreateWithPriority(Stream** stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }

EXPORT Status cuStreamDestroy_v2(Stream* stream)
{
    delete stream;
    return success;
}

EXPORT Status cuStreamSynchronize(Stream* stream)
{
    Status status = require_context();
    status = status == success ? forbid_while_capturing(stream) : status;
    return status == success ? check_guards() : status;
}

EXPORT Status cuStreamQuery(Stream* stream) { return forbid_while_capturing(stream); }

EXPORT Status cuStreamWaitEvent(Stream*, Event*, unsigned) { return success; }

EXPORT Status cuCtxSynchronize() { return cuStreamSynchronize(nullptr); }

EXPORT Status cuEventCreate(Event** event, unsigned)
{
    *event = new Event;
    return require_context();
}

EXPORT Status cuEventRecord(Event* event, Stream* stream)
{
    return submit(stream, [event] {
        event->time = std::chrono::steady_clock::now();
        event->recorded = true;
        return success;
    });
}

EXPORT Status cuEventQuery(Event*) { return require_context(); }

EXPORT Status cuEventSynchronize(Event*)
{
    Status status = require_context();
    return status == success ? check_guards() : status;
}

EXPORT Status cuEventElapsedTime(float* milliseconds, Event* start, Event* end)
{
    if (!start->recorded || !end->recorded)
    {
        return invalid_handle;
    }

    *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
    return success;
}

EXPORT Status cuEventElapsedTime_v2(float* milliseconds, Event* start, Event* end)
{
    return cuEventElapsedTime(milliseconds, start, end);
}

EXPORT Status cuEventDestroy_v2(Event* event)
{
    delete event;
    return success;
}

EXPORT Status cuStreamBeginCapture_v2(Stream* handle, int mode)
{
    if (Status status = require_context(); status != success)
    {
        return status;
    }

    std::lock_guard lock(gate);
    Stream& stream = stream_of(handle);
    if (&stream == &default_stream || stream.capturing)
    {
        return capture_unsupported;
    }

    stream.capturing = stream.valid = true;
    stream.mode = mode;
    capturing_streams.push_back(&stream);
    return success;
}

EXPORT Status cuStreamEndCapture(Stream* handle, Graph** graph)
{
    std::lock_guard lock(gate);
    Stream& stream = stream_of(handle);
    *graph = nullptr;
    if (!stream.capturing)
    {
        return invalid_value;
    }

    stream.capturing = false;
    std::erase(capturing_streams, &stream);
    Graph recorded = std::move(stream.graph);
    stream.graph = {};
    if (!stream.valid)
    {
        return capture_invalidated;
    }

    *graph = new Graph(std::move(recorded));
    return success;
}

EXPORT Status cuStreamIsCapturing(Stream* stream, int* status)
{
    std::lock_guard lock(gate);
    *status = !stream_of(stream).capturing ? 0 : stream_of(stream).valid ? 1 : 2;
    return success;
}

EXPORT Status cuGraphInstantiateWithFlags(Graph** executable, Graph* graph, unsigned long long)
{
    *executable = new Graph(*graph);
    return success;
}

EXPORT Status cuGraphLaunch(Graph* executable, Stream* stream)
{
    return submit(stream, [steps = executable->steps] {
        for (const auto& step : steps)
        {
            Status status = step();
            if (status != success)
            {
                return status;
            }
        }

        return success;
    });
}

EXPORT Status cuGraphExecDestroy(Graph* executable)
{
    delete executable;
    return success;
}

EXPORT Status cuGraphDestroy(Graph* graph)
{
    delete graph;
    return success;
}
}
