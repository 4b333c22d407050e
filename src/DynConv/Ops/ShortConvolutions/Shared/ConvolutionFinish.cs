using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DynConv.Cpu;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>What becomes of a sum of taps before it is written; the numbers of convolution_finish.cuh.</summary>
internal enum ConvolutionFinishKind
{
    Plain = 0,
    Biased = 1,
    Silu = 2,

    /// <summary>The sum's gradient, from that of its SiLU: the backward pass computes the sums again in place of keeping them.</summary>
    SiluGradient = 3,
}

/// <summary>How a forward pass ends.</summary>
/// <param name="Kind">What becomes of a sum.</param>
/// <param name="Bias">Added to each sum, float32 <c>[D]</c>; null for none.</param>
/// <param name="Dy">The gradient of the activation, with inner stride 1; null where the sums' gradient is not what is wanted.</param>
internal readonly record struct ConvolutionFinish(ConvolutionFinishKind Kind, Tensor? Bias, Tensor? Dy = null)
{
    public static ConvolutionFinish Forward(Tensor? bias, ConvolutionActivation activation) => new(
        activation == ConvolutionActivation.Silu ? ConvolutionFinishKind.Silu
        : bias is not null ? ConvolutionFinishKind.Biased
        : ConvolutionFinishKind.Plain,
        bias);
}

/// <summary><c>Finish</c> of convolution_finish.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("convolution_finish.cuh", "Finish<float>")]
internal readonly struct KernelFinish(ConvolutionFinish finish)
{
    private readonly nint _bias = finish.Bias?.Address ?? 0;
    private readonly KernelRows _dy = new(finish.Dy);

    /// <summary>The macro of convolution_finish.cuh.</summary>
    public static (string Name, object Value) Macro(ConvolutionFinishKind kind) => ("FINISH", (int)kind);
}

/// <summary>The end of a forward pass on the CPU, for rows that are still in a cache.</summary>
internal readonly unsafe struct FinishedRows(ConvolutionFinish finish)
{
    private readonly ConvolutionFinishKind _kind = finish.Kind;
    private readonly float* _bias = finish.Bias is null ? null : finish.Bias.Float();
    private readonly TokenRows _dy = finish.Dy is null ? default : new TokenRows(finish.Dy);

    public bool IsPlain => _kind == ConvolutionFinishKind.Plain;

    /// <summary>Puts what becomes of the sums in their place.</summary>
    public void Apply<TSimd, TVector>(TokenRows y, long token, long rows, ChannelBlock block)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* bias = _bias is null ? null : _bias + block.Start;
        for (long row = token; row < token + rows; row++)
        {
            float* sums = y[row] + block.Start;
            float* dy = _kind == ConvolutionFinishKind.SiluGradient ? _dy[row] + block.Start : null;
            long c = 0;
            for (; c + TSimd.Width <= block.Count; c += TSimd.Width)
            {
                Element<TSimd, TVector>(sums, bias, dy, c);
            }

            for (; c < block.Count; c++)
            {
                Element<SimdScalar, float>(sums, bias, dy, c);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Element<TSimd, TVector>(float* sums, float* bias, float* dy, long c)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector x = TSimd.Load(sums + c);
        x = bias is null ? x : TSimd.Add(x, TSimd.Load(bias + c));
        if (_kind != ConvolutionFinishKind.Biased)
        {
            TVector s = Simd.Sigmoid<TSimd, TVector>(x);
            TVector silu = TSimd.Multiply(x, s);
            x = dy is null
                ? silu
                : TSimd.Multiply(TSimd.Load(dy + c), TSimd.MultiplyAdd(silu, TSimd.Subtract(TSimd.Broadcast(1f), s), s));
        }

        TSimd.Store(sums + c, x);
    }
}
