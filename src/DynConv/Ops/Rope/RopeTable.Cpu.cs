using DynConv.Cpu;

namespace DynConv.Ops;

public sealed unsafe partial class RopeTable
{
    private const long PositionsPerBlock = 256;

    private Tensor MakeCpu(long length)
    {
        int half = _frequencies.Length;
        Tensor table = Tensor.Empty([length, 2, half]);
        float* values = table.Float();
        Workers.ForRange(length, PositionsPerBlock, (start, end) =>
        {
            for (long position = start; position < end; position++)
            {
                float* cosines = values + (position * 2 * half);
                for (int i = 0; i < half; i++)
                {
                    (double sine, double cosine) = Math.SinCos(position * _frequencies[i]);
                    cosines[i] = (float)cosine;
                    cosines[half + i] = (float)sine;
                }
            }
        });
        return table;
    }
}
