using DynConv.Serialization;

namespace DynConv.Diagnostics;

/// <summary>Compares what was computed with a vector and remembers the worst.</summary>
/// <param name="name">The vector's name.</param>
/// <param name="vector">What it says.</param>
internal sealed class Comparison(string name, SafetensorsReader vector)
{
    private double _largest;
    private string _worst = "nothing was compared";
    private double? _shift;
    private bool _failed;
    private bool _compared;

    public ConformanceResult Result => new(
        name, _compared && !_failed ? ConformanceOutcome.Passed : ConformanceOutcome.Failed, _largest, _worst) { RoundingShift = _shift };

    /// <summary>Compares what was computed in float32 with the vector.</summary>
    /// <param name="got">By the names of the vector's tensors.</param>
    /// <param name="limit">Of each.</param>
    public void Float32(IReadOnlyDictionary<string, HostTensor> got, Func<string, double> limit)
    {
        foreach ((string tensor, HostTensor values) in got)
        {
            Check(tensor, Wanted(tensor), values, limit(tensor));
        }
    }

    /// <summary>
    /// Compares what was computed in bfloat16. A vector of sharp scores is another one once its inputs are rounded, so that the
    /// result is held against float32 on the rounded inputs, which the CPU computes, and the CPU's float32 without rounding against the
    /// vector.
    /// </summary>
    /// <param name="exact">What the CPU computes in float32.</param>
    /// <param name="rounded">What the CPU computes in float32 where the inputs, and the results of ops, are rounded to bfloat16.</param>
    /// <param name="got">What was computed in bfloat16.</param>
    /// <param name="float32Limit">Of each of the first.</param>
    /// <param name="limit">Of each of the last.</param>
    public void BFloat16(
        IReadOnlyDictionary<string, HostTensor> exact,
        IReadOnlyDictionary<string, HostTensor> rounded,
        IReadOnlyDictionary<string, HostTensor> got,
        Func<string, double> float32Limit,
        Func<string, double> limit)
    {
        foreach ((string tensor, HostTensor values) in got)
        {
            HostTensor wanted = Wanted(tensor);
            double error = Error(exact[tensor], wanted);
            if (!(error <= float32Limit(tensor)))
            {
                Note($"{tensor} in float32 on the CPU", error, failed: true);
            }

            _shift = Math.Max(_shift ?? 0, Error(rounded[tensor], wanted));
            Check(tensor, rounded[tensor], values, limit(tensor));
        }
    }

    private HostTensor Wanted(string tensor)
    {
        using var scope = new TensorScope();
        return HostTensor.Of(vector.Read(tensor));
    }

    private void Check(string tensor, HostTensor wanted, HostTensor got, double limit)
    {
        double error = Error(got, wanted);
        Note(tensor, error, !(error <= limit));
    }

    // What fails comes before what passes, whatever its error: limits differ.
    private void Note(string tensor, double error, bool failed)
    {
        if (!_compared || (failed && !_failed) || (failed == _failed && (error > _largest || double.IsNaN(error))))
        {
            (_largest, _worst) = (error, tensor);
        }

        _compared = true;
        _failed |= failed;
    }

    private static double Error(HostTensor got, HostTensor wanted)
    {
        if (got.Shape != wanted.Shape)
        {
            return double.PositiveInfinity;
        }

        double difference = 0;
        double largest = 0;
        for (int i = 0; i < wanted.Values.Length; i++)
        {
            double d = Math.Abs(got.Values[i] - (double)wanted.Values[i]);
            if (double.IsNaN(d))
            {
                return double.NaN;
            }

            difference = Math.Max(difference, d);
            largest = Math.Max(largest, Math.Abs(wanted.Values[i]));
        }

        return largest == 0 ? difference : difference / largest;
    }
}
