using System.Numerics;

namespace DynConv.Tests.Ops;

/// <summary>
/// The inner loops of float64 references: central differences evaluate a reference hundreds of times a case, and with these
/// as vectors the tests take a fraction of the time.
/// </summary>
internal static class Vectors
{
    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Vector<double> sums = default;
        int i = 0;
        for (; i <= a.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            sums += new Vector<double>(a[i..]) * new Vector<double>(b[i..]);
        }

        double sum = Vector.Sum(sums);
        for (; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    public static void AddScaled(double scale, ReadOnlySpan<double> from, Span<double> to)
    {
        int i = 0;
        for (; i <= to.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            (new Vector<double>(to[i..]) + (scale * new Vector<double>(from[i..]))).CopyTo(to[i..]);
        }

        for (; i < to.Length; i++)
        {
            to[i] += scale * from[i];
        }
    }
}
