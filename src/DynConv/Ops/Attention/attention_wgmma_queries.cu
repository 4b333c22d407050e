// Brings the sums of dq that attention_wgmma_backward.cu has made to their rows, times the scale, and turned back if the queries were
// turned by their positions. The sums lie in units of 64 rows by 64 channels, where 32 bytes c of row r stand at c ^ r % 8; a tile of
// QUERIES queries has WARPGROUPS of them. A block takes a tile.
// Macros: HEAD, WARPGROUPS, QUERIES, PIECE (elements of an access to dq: 8 or 1), ROTARY (HEAD is a multiple of 16).
#include "attention_wgmma.cuh"

static constexpr int BLOCK = WARPGROUPS * WARPGROUP;

// Packets of 8 channels that a thread takes together: those of a pair of channels, or one.
static constexpr int TOGETHER = ROTARY ? 2 : 1;
static constexpr int PACKETS = HEAD / 8 / TOGETHER;

// The sums of 8 channels of a row of a tile.
DEVICE const float* place(const float* tile, int row, int packet)
{
    int unit = UNITS_ARE_QUERIES ? row / 64 : packet / 8;
    return tile + (unit * 64 + row % 64) * TILE_COLUMNS + (packet % 8 ^ row % 8) * 8;
}

extern "C" __global__ void __launch_bounds__(BLOCK) attention_wgmma_queries(
    const float* sums, HeadRows<bf16> dq, int accumulate, Rotary rotary, AttentionShape shape)
{
    after_earlier_launches();
    int tiles = (shape.queries + QUERIES - 1) / QUERIES;
    int batch = blockIdx.x / tiles / shape.heads;
    int first = blockIdx.x % tiles * QUERIES;
    const float* tile = sums + (int64)blockIdx.x * QUERIES * CHANNELS;
    bf16* rows = dq.of(batch, blockIdx.x / tiles % shape.heads);
#pragma unroll
    for (int i = 0; i < QUERIES * PACKETS; i += BLOCK)
    {
        int item = i + threadIdx.x;
        int row = item / PACKETS;
        int packet = item % PACKETS;
        if (item >= QUERIES * PACKETS || first + row >= shape.queries)
        {
            break;
        }

        float values[TOGETHER][8];
#pragma unroll
        for (int k = 0; k < TOGETHER; k++)
        {
            auto sum = Packet<float, 8>::load(place(tile, row, packet + k * PACKETS));
#pragma unroll
            for (int e = 0; e < 8; e++)
            {
                values[k][e] = sum[e] * shape.scale;
            }
        }

        if constexpr (ROTARY)
        {
            const float* angles = rotary.of(batch, shape.queries, first + row) + packet * 8;
            auto cosines = Packet<float, 8>::load(angles);
            auto sines = Packet<float, 8>::load(angles + HEAD / 2);
#pragma unroll
            for (int e = 0; e < 8; e++)
            {
                turn_back(values[0][e], values[1][e], cosines[e], sines[e]);
            }
        }

#pragma unroll
        for (int k = 0; k < TOGETHER; k++)
        {
            put_packet<PIECE>(rows + (int64)(first + row) * dq.time + (packet + k * PACKETS) * 8, values[k], accumulate != 0);
        }
    }
}
