using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Sizes of a call of attention, as kernels see them: <c>AttentionShape</c> of attention.cuh.</summary>
/// <param name="Bounds">Address of where the sequence of each token starts and ends, or null.</param>
/// <param name="Batches">B.</param>
/// <param name="Heads">H.</param>
/// <param name="KeyHeads">Hkv.</param>
/// <param name="Queries">T.</param>
/// <param name="Keys">S.</param>
/// <param name="Scale">Factor of the scores.</param>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("attention.cuh", "AttentionShape")]
internal readonly record struct AttentionShape(
    nint Bounds, int Batches, int Heads, int KeyHeads, int Queries, int Keys, float Scale);
