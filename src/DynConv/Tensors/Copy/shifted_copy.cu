// Copies and sums of rows that begin at any element, in accesses of 16 bytes: a thread makes aligned vectors of the target's rows, each
// of the two aligned vectors of the source that it lies across. Behind a row's last element zeros may be asked for.
//
// Vectors at the ends of a row are read whole, with whatever else they hold (buffers end at multiples of 256 bytes, MemoryPool), and
// written element by element.
//
// Macros: ELEMENT (float, which stands for anything of 4 bytes, or bf16), ADD (0 or 1: whether to add to the target).
#include "row_strides.cuh"
#include "shifted.cuh"

static constexpr int THREADS = 256;
static constexpr int ITEMS = 2;
static constexpr int SIZE = sizeof(ELEMENT);
static constexpr int WORDS = 4;
static constexpr int VECTOR = WORDS * 4 / SIZE;

typedef Packet<ELEMENT, VECTOR> Vector;

struct ShiftedRows
{
    int64 rows;
    int64 length;  // of a row of the source
    int64 filled;  // of a row of the target: `length`, or more with zeros at the end
    int64 vectors; // that a row of the target touches, at most
    RowStrides layout;
};

DEVICE void set_bits(float& word, uint32 bits) { word = float_of_bits(bits); }
DEVICE void set_bits(uint32& word, uint32 bits) { word = bits; }

DEVICE void store_element(float* to, const float (&words)[WORDS], int i) { *to = words[i]; }
DEVICE void store_element(bf16* to, const uint32 (&words)[WORDS], int i) { to->bits = (uint16)(words[i / 2] >> i % 2 * 16); }

// A vector of the target, whose elements are those from `first` on of a row, inside of it or not.
struct Piece
{
    int64 first;
    ELEMENT* to;
    uint32 shift; // bytes
    uint32 source[2 * WORDS];
    Vector target;

    DEVICE static bool is_inside(int64 first, int64 length) { return first + VECTOR > 0 && first < length; }

    DEVICE void load(const ShiftedRows& rows, const ELEMENT* source_row, ELEMENT* target_row, int64 vector)
    {
        first = vector * VECTOR - (int64)((uint64)target_row / SIZE % VECTOR);
        to = target_row + first;
        const ELEMENT* from = source_row + first;
        int off = (int)((uint64)from / SIZE % VECTOR);
        shift = off * SIZE;
        read(0, from - off, is_inside(first - off, rows.length));
        read(WORDS, from - off + VECTOR, off != 0 && is_inside(first - off + VECTOR, rows.length));
        if (ADD && is_inside(first, rows.filled))
        {
            target = Vector::load(to);
        }
    }

    DEVICE void read(int place, const ELEMENT* from, bool valid)
    {
        Bits128 bits = {};
        if (valid)
        {
            bits = *reinterpret_cast<const Bits128*>(from);
        }

        source[place] = bits.x;
        source[place + 1] = bits.y;
        source[place + 2] = bits.z;
        source[place + 3] = bits.w;
    }

    DEVICE Vector result(const ShiftedRows& rows) const
    {
        uint32 bits[WORDS];
        shift_words(bits, source, shift);
        int64 left = (rows.length - first) * SIZE;
        Vector result;
#pragma unroll
        for (int i = 0; i < WORDS; i++)
        {
            set_bits(result.words[i], left >= i * 4 + 4 ? bits[i] : left > i * 4 ? bits[i] & 0xffff : 0);
        }

        if constexpr (ADD)
        {
            float sums[VECTOR];
#pragma unroll
            for (int i = 0; i < VECTOR; i++)
            {
                sums[i] = result[i] + target[i];
            }

            return Vector::of(sums);
        }

        return result;
    }

    DEVICE void store(const ShiftedRows& rows) const
    {
        Vector all = result(rows);
        if (first >= 0 && first + VECTOR <= rows.filled)
        {
            all.store(to);
            return;
        }

#pragma unroll
        for (int i = 0; i < VECTOR; i++)
        {
            if (first + i >= 0 && first + i < rows.filled)
            {
                store_element(to + i, all.words, i);
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS)
    shifted_copy(const __grid_constant__ ShiftedRows rows, const ELEMENT* source, ELEMENT* target)
{
    after_earlier_launches();
    Piece pieces[ITEMS];
    uint64 first = (uint64)blockIdx.x * (THREADS * ITEMS) + threadIdx.x;
    uint64 count = (uint64)rows.rows * rows.vectors;
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
    {
        uint64 index = first + i * THREADS;
        if (index < count)
        {
            uint64 row = quotient(index, rows.vectors);
            int64 at[2];
            rows.layout.find(row, at);
            pieces[i].load(rows, source + at[0], target + at[1], (int64)(index - row * rows.vectors));
        }
    }

#pragma unroll
    for (int i = 0; i < ITEMS; i++)
    {
        if (first + i * THREADS < count)
        {
            pieces[i].store(rows);
        }
    }
}
