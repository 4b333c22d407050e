using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>Ends a reduction that was split into blocks.</summary>
internal static unsafe class PartialSums
{
    /// <summary><c>target = sum over n of partials[n]</c>, added to what is there on request, in the order of n.</summary>
    /// <param name="partials">Contiguous <c>[N, D]</c>.</param>
    /// <param name="target">Dense <c>[D]</c>.</param>
    /// <param name="accumulate">Whether to add to the values of <paramref name="target"/>.</param>
    public static void AddUp(Tensor partials, Tensor target, bool accumulate)
    {
        (long n, long d) = (partials.Shape[0], partials.Shape[1]);
        float* from = partials.Float();
        float* to = target.Float();
        Workers.ForRange(d, Math.Max(1, RowWalk.BlockElements / Math.Max(1, n)), (start, end) =>
        {
            for (long i = start; i < end; i++)
            {
                float sum = 0;
                for (long block = 0; block < n; block++)
                {
                    sum += from[(block * d) + i];
                }

                to[i] = accumulate ? to[i] + sum : sum;
            }
        });
    }
}
