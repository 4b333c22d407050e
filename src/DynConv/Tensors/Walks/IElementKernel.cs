using DynConv.Cpu;

namespace DynConv;

/// <summary>What an element by element op does with one vector of elements.</summary>
internal unsafe interface IElementKernel
{
    /// <summary>Computes elements <c>[i, i + width)</c>.</summary>
    /// <param name="rows">The current row of each tensor, in the order given to <see cref="ElementLoop"/>.</param>
    /// <param name="i">First element.</param>
    void Apply<TSimd, TVector>(float** rows, long i)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;
}
