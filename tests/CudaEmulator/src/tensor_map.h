// What cuTensorMapEncodeTiled leaves in a tensor map here: enough to copy boxes of a tensor of four dimensions.
#pragma once

namespace emulator
{
struct TensorMapWords
{
    static constexpr unsigned long long magic_number = 0x70616d20726f736e;

    unsigned long long magic;
    const char* start;
    unsigned long long sizes[4];
    // In bytes, of the dimensions behind the first.
    unsigned long long strides[3];
    unsigned box[4];
    unsigned element_bytes;
    // Whether 16-byte piece p of a row of 128 bytes stands at p ^ row % 8.
    unsigned swizzled;
};

static_assert(sizeof(TensorMapWords) <= 128);
}
