using DynConv.Serialization;

namespace DynConv.Diagnostics;

/// <summary>Compares computed tensors with a vector's and remembers the worst.</summary>
internal sealed class Comparison(string name)
{
    private double _largest;
    private string _worst = "nothing was compared";
    private bool _failed;
    private bool _compared;

    public ConformanceResult Result => new(
        name, _compared && !_failed ? ConformanceOutcome.Passed : ConformanceOutcome.Failed, _largest, _worst);

    /// <summary>Compares one tensor; <paramref name="got"/> null means zeros.</summary>
    public void Check(SafetensorsReader wanted, string tensor, Tensor? got, double limit)
    {
        using var scope = new TensorScope();
        Tensor reference = wanted.Read(tensor);
        double error = got is not null && got.Shape != reference.Shape
            ? double.PositiveInfinity
            : Error(got?.To(DType.Float32).ToArray<float>(), reference.ToArray<float>());
        if (!_compared || error > _largest || double.IsNaN(error))
        {
            _largest = error;
            _worst = tensor;
        }

        _compared = true;
        _failed |= !(error <= limit);
    }

    private static double Error(float[]? got, float[] wanted)
    {
        double difference = 0;
        double largest = 0;
        for (int i = 0; i < wanted.Length; i++)
        {
            double d = Math.Abs((got?[i] ?? 0f) - (double)wanted[i]);
            if (double.IsNaN(d))
            {
                return double.NaN;
            }

            difference = Math.Max(difference, d);
            largest = Math.Max(largest, Math.Abs(wanted[i]));
        }

        return largest == 0 ? difference : difference / largest;
    }
}
