using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>What a sum takes of each element.</summary>
internal interface ISumTerm
{
    TVector Of<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;
}
