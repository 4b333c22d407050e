// Brings the sums of dq that attention_wgmma_backward.cu has made to their rows, times the scale. They lie in units of 64 rows by 64
// channels, where 32 bytes c of row r stand at c ^ r % 8; a tile of QUERIES queries has WARPGROUPS of them. A block takes a tile.
// Macros: HEAD, WARPGROUPS, QUERIES, PIECE (elements of an access to dq: 8 or 1).
#include "attention_wgmma.cuh"

static constexpr int BLOCK = WARPGROUPS * WARPGROUP;
static constexpr int PACKETS = 64 * TILE_COLUMNS / 8;

extern "C" __global__ void __launch_bounds__(BLOCK) attention_wgmma_queries(
    const float* sums, HeadRows<bf16> dq, int accumulate, AttentionShape shape)
{
    after_earlier_launches();
    int tiles = (shape.queries + QUERIES - 1) / QUERIES;
    int head = blockIdx.x / tiles;
    int unit = threadIdx.x / WARPGROUP;
    int first_row = blockIdx.x % tiles * QUERIES + (UNITS_ARE_QUERIES ? unit * 64 : 0);
    int first_channel = UNITS_ARE_QUERIES ? 0 : unit * TILE_COLUMNS;
    const float* from = sums + ((int64)blockIdx.x * WARPGROUPS + unit) * 64 * TILE_COLUMNS;
    bf16* rows = dq.of(head / shape.heads, head % shape.heads);
#pragma unroll
    for (int i = 0; i < PACKETS; i += WARPGROUP)
    {
        int packet = i + threadIdx.x % WARPGROUP;
        int row = packet / 8;
        int c = packet % 8;
        Packet<float, 8> sum = Packet<float, 8>::load(from + row * TILE_COLUMNS + (c ^ row % 8) * 8);
        float scaled[8];
#pragma unroll
        for (int k = 0; k < 8; k++)
        {
            scaled[k] = sum[k] * shape.scale;
        }

        int channel = first_channel + c * 8;
        if (first_row + row < shape.queries && channel < HEAD)
        {
            put_packet<PIECE>(rows + (first_row + row) * dq.time + channel, scaled, accumulate != 0);
        }
    }
}
