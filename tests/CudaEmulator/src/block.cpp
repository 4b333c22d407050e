#include "block.h"
#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

// Dynamic shared memory, by the name and type under which kernels declare it; a margin behind it is watched.
struct alignas(16) Bits128
{
    unsigned x, y, z, w;
};
static constexpr unsigned margin_bytes = 1024;
extern __thread Bits128 shared_memory[];
alignas(1024) EMULATOR_API
    __thread Bits128 shared_memory[(emulator::most_shared_bytes + margin_bytes) / sizeof(Bits128)];

// The C library's way to a thread-local block of a library.
struct ThreadLocalIndex
{
    size_t module, offset;
};
extern "C" void* __tls_get_addr(ThreadLocalIndex*);

namespace emulator
{
// A NaN as float and as bfloat16, and an unlikely index.
static constexpr int poison = 0xff;
static constexpr unsigned char margin = 0xa5;
// Static shared memory has numbers behind those of dynamic shared memory.
// How long a block waits for others that do not come.
static constexpr std::chrono::seconds patience{60};
static constexpr unsigned first_static_number = 256 << 10;

EMULATOR_API __thread const Place* place;
static __thread Block* running_block;

Block* Block::current() { return running_block; }

bool Block::run(const Launch& launch, Index index)
{
    running_block = this;
    prepare(launch, index);
    poison_shared();
    // Every other sweep, and every other block, begins with the last thread: what works in one order only shows.
    bool descending = (index.x + index.y + index.z) % 2 != 0;
    auto clock = std::chrono::steady_clock::now;
    auto give_up = clock() + patience;
    while (!failed_ && ended_ < static_cast<int>(threads_.size()))
    {
        bool progress = false;
        int count = static_cast<int>(warps_.size());
        for (int i = 0; i < count && !failed_; i++)
        {
            progress |= run_warp(warps_[descending ? count - 1 - i : i], descending);
        }

        if (!progress && !failed_)
        {
            if (waits_for_others_ && clock() < give_up)
            {
                std::this_thread::yield();
            }
            else
            {
                report_deadlock();
            }
        }
        else
        {
            give_up = clock() + patience;
        }

        descending = !descending;
    }

    if (!failed_)
    {
        check_shared_end();
    }

    running_block = nullptr;
    place = nullptr;
    return !failed_;
}

void Block::prepare(const Launch& launch, Index index)
{
    launch_ = &launch;
    index_ = index;
    failed_ = false;
    failure_.clear();
    ended_ = 0;
    boxes_.clear();
    waits_for_others_ = false;
    std::fill(std::begin(barriers_), std::end(barriers_), Barrier{});
    int count = static_cast<int>(launch.block.x * launch.block.y * launch.block.z);
    threads_.resize(count);
    for (int i = 0; i < count; i++)
    {
        Thread& thread = threads_[i];
        unsigned x = i % launch.block.x;
        unsigned y = i / launch.block.x % launch.block.y;
        unsigned z = i / launch.block.x / launch.block.y;
        thread.place = {{x, y, z}, index, launch.block, launch.grid, i % warp_size};
        thread.context = new_context(stacks_.top(i), thread_main);
        thread.state = State::ready;
        thread.barrier = -1;
        thread.copies.clear();
        thread.open_group = 0;
        thread.products.clear();
        thread.open_products = 0;
    }

    warps_.resize((count + warp_size - 1) / warp_size);
    for (int i = 0; i < static_cast<int>(warps_.size()); i++)
    {
        Warp& warp = warps_[i];
        warp.first = i * warp_size;
        warp.lanes = std::min(warp_size, count - warp.first);
        warp.arrived = warp.generation = 0;
    }
}

void Block::poison_shared()
{
    std::memset(shared_memory, poison, launch_->shared_bytes);
    std::memset(reinterpret_cast<char*>(shared_memory) + launch_->shared_bytes, margin, margin_bytes);
    static_shared_ = nullptr;
    if (launch_->kernel->static_shared_bytes > 0)
    {
        ThreadLocalIndex start{launch_->kernel->static_shared_module, 0};
        static_shared_ = static_cast<char*>(__tls_get_addr(&start));
        std::memset(static_shared_, poison, launch_->kernel->static_shared_bytes);
    }
}

void Block::check_shared_end()
{
    auto* end = reinterpret_cast<unsigned char*>(shared_memory) + launch_->shared_bytes;
    auto* written = std::find_if(end, end + margin_bytes, [](unsigned char byte) { return byte != margin; });
    if (written != end + margin_bytes)
    {
        char sentence[200];
        std::snprintf(sentence, sizeof sentence,
                      "wrote to byte %zd of the %u bytes of dynamic shared memory that were asked for",
                      written - reinterpret_cast<unsigned char*>(shared_memory), launch_->shared_bytes);
        record_failure(sentence, nullptr);
    }
}

// Runs a warp until none of its threads can go on; false if none could.
bool Block::run_warp(Warp& warp, bool descending)
{
    bool progress = false;
    for (bool ran = true; ran && !failed_;)
    {
        ran = false;
        for (int i = 0; i < warp.lanes && !failed_; i++)
        {
            ran |= resume(threads_[warp.first + (descending ? warp.lanes - 1 - i : i)]);
        }

        progress |= ran;
    }

    return progress;
}

bool Block::resume(Thread& thread)
{
    bool ready = thread.state == State::ready || (thread.state == State::polling && thread.holds(thread.condition));
    if (ready)
    {
        thread.state = State::ready;
        running_ = &thread;
        place = &thread.place;
        switch_context(scheduler_, thread.context);
        running_ = nullptr;
    }

    return ready;
}

void Block::thread_main()
{
    Block& block = *running_block;
    block.launch_->kernel->entry.run(block.launch_->arguments);
    block.ended_++;
    block.give_way(State::ended, "the end");
    std::abort();
}

void Block::give_way(State state, const char* operation)
{
    Thread& thread = *running_;
    thread.state = state;
    thread.operation = operation;
    switch_context(thread.context, scheduler_);
}

void Block::fail(const char* sentence)
{
    record_failure(sentence, &running_->place);
    give_way(State::ended, "a mistake");
    std::abort();
}

void Block::record_failure(const char* sentence, const Place* at)
{
    char text[256];
    std::snprintf(text, sizeof text, "%s, block (%u, %u, %u)", launch_->kernel->name.c_str(), index_.x, index_.y,
                  index_.z);
    failure_ = text;
    if (at != nullptr)
    {
        std::snprintf(text, sizeof text, ", thread (%u, %u, %u)", at->thread.x, at->thread.y, at->thread.z);
        failure_ += text;
    }

    failure_ += std::string(": ") + sentence;
    failed_ = true;
}

void Block::report_deadlock()
{
    std::string sentence = "no thread can go on";
    std::vector<const Thread*> rest;
    for (const Thread& thread : threads_)
    {
        rest.push_back(&thread);
    }

    while (!rest.empty())
    {
        const Thread* first = rest[0];
        auto same = [&](const Thread* t) {
            return std::strcmp(t->operation, first->operation) == 0 && t->barrier == first->barrier;
        };
        auto count = std::count_if(rest.begin(), rest.end(), same);
        char text[200];
        std::snprintf(text, sizeof text, "; %td %s %s", count, first->state == State::ended ? "came to" : "wait at",
                      first->operation);
        sentence += text;
        if (first->barrier >= 0 && first->state == State::waiting)
        {
            std::snprintf(text, sizeof text, " %d (%d of %d arrived)", first->barrier,
                          barriers_[first->barrier].arrived, barriers_[first->barrier].expected);
            sentence += text;
        }

        std::snprintf(text, sizeof text, " (the first of them thread %u)", first->place.thread.x);
        sentence += text;
        rest.erase(std::remove_if(rest.begin(), rest.end(), same), rest.end());
    }

    record_failure(sentence.c_str(), nullptr);
}

void Block::meet(int number, int threads, bool wait)
{
    int expected = threads == 0 ? static_cast<int>(threads_.size()) : threads;
    if (number < 0 || number >= barriers_of_block || expected < 0 || (threads != 0 && threads % warp_size != 0))
    {
        emulator::fail("barrier %d of %d threads; there are barriers 0 to 15, of whole warps", number, threads);
    }

    Barrier& barrier = barriers_[number];
    if (barrier.arrived > 0 && barrier.expected != expected)
    {
        emulator::fail("barrier %d of %d threads, at which others expect %d", number, expected, barrier.expected);
    }

    barrier.expected = expected;
    if (++barrier.arrived == expected)
    {
        barrier.arrived = 0;
        for (Thread& thread : threads_)
        {
            if (thread.state == State::waiting && thread.barrier == number)
            {
                thread.state = State::ready;
            }
        }
    }
    else if (wait)
    {
        running_->barrier = number;
        give_way(State::waiting, "block_barrier");
        running_->barrier = -1;
    }
}

void Block::wait_until(const char* operation, bool (*holds)(const void*), const void* state)
{
    if (!holds(state))
    {
        running_->holds = holds;
        running_->condition = state;
        give_way(State::polling, operation);
    }
}

const unsigned char* Block::exchange(const char* operation, const void* mine, int bytes)
{
    Warp& warp = warps_[(running_ - threads_.data()) / warp_size];
    if (warp.arrived > 0 && std::strcmp(warp.operation, operation) != 0)
    {
        emulator::fail("%s, while other lanes of the warp wait at %s", operation, warp.operation);
    }

    // Two buffers are enough: a lane comes to the exchange after next only when all have left this one.
    unsigned char* handed_in = warp.handed_in[warp.generation % 2];
    std::memcpy(handed_in + running_->place.lane * exchange_bytes, mine, bytes);
    warp.operation = operation;
    if (++warp.arrived == warp.lanes)
    {
        warp.arrived = 0;
        warp.generation++;
        for (int i = 0; i < warp.lanes; i++)
        {
            Thread& thread = threads_[warp.first + i];
            if (thread.state == State::waiting && thread.barrier < 0)
            {
                thread.state = State::ready;
            }
        }
    }
    else
    {
        give_way(State::waiting, operation);
    }

    return handed_in;
}

void Block::copy_later(void* shared, const void* global, int bytes, bool valid)
{
    check_aligned("an asynchronous copy to shared memory", shared, bytes);
    check_aligned("an asynchronous copy from global memory", global, bytes);
    number_of_shared(shared, bytes);
    Copy copy{shared, bytes, running_->open_group, {}};
    if (valid)
    {
        std::memcpy(copy.data, global, bytes);
    }

    std::memset(shared, poison, bytes);
    running_->copies.push_back(copy);
}

void Block::commit_copies() { running_->open_group++; }

void Block::wait_for_copies(int pending_groups)
{
    auto& copies = running_->copies;
    int first_pending = running_->open_group - pending_groups;
    auto due =
        std::find_if(copies.begin(), copies.end(), [&](const Copy& copy) { return copy.group >= first_pending; });
    for (auto copy = copies.begin(); copy != due; ++copy)
    {
        std::memcpy(copy->to, copy->data, copy->bytes);
    }

    copies.erase(copies.begin(), due);
}

void Block::wait_for_other_blocks(const char* operation, bool (*holds)(const void*), const void* state)
{
    waits_for_others_ = true;
    wait_until(operation, holds, state);
    waits_for_others_ = false;
}

void Block::copy_box_later(void* shared, const TensorMapWords& map, const int* first, void* barrier)
{
    if (map.magic != TensorMapWords::magic_number)
    {
        emulator::fail("a copy by something that is no tensor map");
    }

    unsigned row_bytes = map.box[0] * map.element_bytes;
    unsigned rows = map.box[1] * map.box[2] * map.box[3];
    check_aligned("a copy of a box to shared memory", shared, 128);
    unsigned number = number_of_shared(shared, static_cast<int>(rows * row_bytes));
    if (map.swizzled && (row_bytes != 128 || number % 1024 != 0))
    {
        emulator::fail("a copy of rows of %u bytes to byte %u of shared memory; pieces change places in rows of 128 bytes, from a "
                       "multiple of 1024 on", row_bytes, number);
    }

    Box box{barrier, {}, static_cast<int>(rows * row_bytes)};
    std::vector<unsigned char> data(rows * row_bytes);
    for (unsigned row = 0; row < rows; row++)
    {
        const long at[] = {first[1] + static_cast<long>(row % map.box[1]),
                           first[2] + static_cast<long>(row / map.box[1] % map.box[2]),
                           first[3] + static_cast<long>(row / map.box[1] / map.box[2])};
        bool inside = true;
        const char* from = map.start;
        for (int i = 0; i < 3; i++)
        {
            inside &= at[i] >= 0 && at[i] < static_cast<long>(map.sizes[i + 1]);
            from += at[i] * static_cast<long>(map.strides[i]);
        }

        for (unsigned column = 0; inside && column < map.box[0]; column++)
        {
            long x = first[0] + static_cast<long>(column);
            if (x < 0 || x >= static_cast<long>(map.sizes[0]))
            {
                continue;
            }

            unsigned byte = row * row_bytes + column * map.element_bytes;
            byte ^= map.swizzled ? (byte >> 7 & 7) << 4 : 0;
            std::memcpy(&data[byte], from + x * map.element_bytes, map.element_bytes);
        }
    }

    std::memset(shared, poison, data.size());
    box.pieces.emplace_back(shared, std::move(data));
    boxes_.push_back(std::move(box));
}

void Block::copy_bytes_later(void* shared, const void* global, int bytes, void* barrier)
{
    check_aligned("a copy of bytes to shared memory", shared, 16);
    check_aligned("a copy of bytes from global memory", global, 16);
    number_of_shared(shared, bytes);
    auto* from = static_cast<const unsigned char*>(global);
    boxes_.push_back({barrier, {{shared, std::vector<unsigned char>(from, from + bytes)}}, bytes});
    std::memset(shared, poison, bytes);
}

void Block::deliver_boxes(void* barrier, void (*complete)(void*, int))
{
    for (size_t i = 0; i < boxes_.size();)
    {
        if (boxes_[i].barrier != barrier)
        {
            i++;
            continue;
        }

        Box box = std::move(boxes_[i]);
        boxes_.erase(boxes_.begin() + static_cast<long>(i));
        for (auto& [to, data] : box.pieces)
        {
            std::memcpy(to, data.data(), data.size());
        }

        complete(barrier, box.bytes);
    }
}

float* Block::product_later(float* to, int count)
{
    auto& products = running_->products;
    auto found = std::find_if(products.begin(), products.end(), [&](const Product& product) { return product.to == to; });
    if (found == products.end())
    {
        products.push_back({to, std::vector<float>(to, to + count), running_->open_products});
        found = products.end() - 1;
    }

    found->group = running_->open_products;
    std::memset(to, poison, count * sizeof(float));
    return found->sums.data();
}

void Block::commit_products() { running_->open_products++; }

void Block::wait_for_products(int pending_groups)
{
    auto& products = running_->products;
    int first_pending = running_->open_products - pending_groups;
    for (const Product& product : products)
    {
        if (product.group < first_pending)
        {
            std::copy(product.sums.begin(), product.sums.end(), product.to);
        }
    }

    products.erase(std::remove_if(products.begin(), products.end(), [&](const Product& product) { return product.group < first_pending; }), products.end());
}

unsigned Block::number_of_shared(const void* pointer, int bytes)
{
    auto* at = static_cast<const char*>(pointer);
    auto* dynamic = reinterpret_cast<const char*>(shared_memory);
    if (at >= dynamic && at + bytes <= dynamic + launch_->shared_bytes)
    {
        return static_cast<unsigned>(at - dynamic);
    }

    if (static_shared_ != nullptr && at >= static_shared_ &&
        at + bytes <= static_shared_ + launch_->kernel->static_shared_bytes)
    {
        return static_cast<unsigned>(at - static_shared_) + first_static_number;
    }

    emulator::fail("%p is not in the block's shared memory (%u dynamic bytes from %p, %zu static bytes from %p)",
                   pointer, launch_->shared_bytes, static_cast<const void*>(dynamic),
                   launch_->kernel->static_shared_bytes, static_cast<const void*>(static_shared_));
}

void* Block::shared_of_number(unsigned number)
{
    char* dynamic = reinterpret_cast<char*>(shared_memory);
    return number < first_static_number ? dynamic + number : static_shared_ + (number - first_static_number);
}

void fail(const char* format, ...)
{
    char sentence[1000];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (running_block == nullptr)
    {
        std::fprintf(stderr, "CUDA emulator: %s\n", sentence);
        std::abort();
    }

    running_block->fail(sentence);
}

void meet(int barrier, int threads) { running_block->meet(barrier, threads, true); }

void arrive(int barrier, int threads) { running_block->meet(barrier, threads, false); }

void wait_until(const char* operation, bool (*holds)(const void*), const void* state)
{
    running_block->wait_until(operation, holds, state);
}

void wait_for_other_blocks(const char* operation, bool (*holds)(const void*), const void* state)
{
    running_block->wait_for_other_blocks(operation, holds, state);
}

void copy_box_later(void* shared, const unsigned long long* map, const int* first, void* barrier)
{
    running_block->copy_box_later(shared, *reinterpret_cast<const TensorMapWords*>(map), first, barrier);
}

void copy_bytes_later(void* shared, const void* global, int bytes, void* barrier)
{
    running_block->copy_bytes_later(shared, global, bytes, barrier);
}

void deliver_boxes(void* barrier, void (*complete)(void*, int)) { running_block->deliver_boxes(barrier, complete); }

float* product_later(float* to, int count) { return running_block->product_later(to, count); }

void commit_products() { running_block->commit_products(); }

void wait_for_products(int pending_groups) { running_block->wait_for_products(pending_groups); }

const unsigned char* exchange_bytes_of_warp(const char* operation, const void* mine, int bytes)
{
    return running_block->exchange(operation, mine, bytes);
}

void copy_later(void* shared, const void* global, int bytes, bool valid)
{
    running_block->copy_later(shared, global, bytes, valid);
}

void commit_copies() { running_block->commit_copies(); }

void wait_for_copies(int pending_groups) { running_block->wait_for_copies(pending_groups); }

unsigned number_of_shared(const void* pointer, int bytes) { return running_block->number_of_shared(pointer, bytes); }

void* shared_of_number(unsigned number) { return running_block->shared_of_number(number); }
}
