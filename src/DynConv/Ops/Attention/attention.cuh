// What the attention kernels share: which keys a query sees, which tile a block takes.
#pragma once
#include "heads.cuh"

static constexpr float LOG2_E = 1.4426950408889634f;
static constexpr float LN_2 = 0.6931471805599453f;

DEVICE float infinity() { return float_of_bits(0x7f800000u); }

// Queries are the last positions of the keys. `bounds` is null or, for packed sequences, holds for each token where its
// sequence starts and, behind that, for each token where it ends.
struct AttentionShape
{
    const int* bounds;
    int batches, heads, key_heads, queries, keys;
    float scale;

    DEVICE int past() const { return keys - queries; }
    DEVICE int shared_heads() const { return heads / key_heads; }

    // The keys that query t sees, and the queries that see key j; positions behind the last count as the last.
    DEVICE int first_key(int t) const { return bounds ? bounds[minimum(t, queries - 1)] : 0; }
    DEVICE int end_key(int t) const { return past() + t + 1; }
    DEVICE int first_query(int j) const { return maximum(0, j - past()); }
    DEVICE int end_query(int j) const { return bounds ? bounds[queries + minimum(j, keys - 1)] : queries; }
};

// A head of a batch row, as 0 .. batches * heads - 1, and a tile of its rows, counted from the longest.
struct TileOfHead
{
    int head, rank;
};

// Which tile a block takes: the longest first, so that none is left for the end; `together` heads at a time, so many that
// their rows stay in the second-level cache.
DEVICE TileOfHead tile_of_block(int block, int tiles, int heads, int together)
{
    int group = block / (tiles * together);
    int rest = block - group * tiles * together;
    int members = minimum(together, heads - group * together);
    return {group * together + rest % members, rest / members};
}
