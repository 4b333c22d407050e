using DynConv.Ops;

namespace DynConv.Tests.Ops;

/// <summary>How a tensor lies in memory.</summary>
public enum Layout
{
    Contiguous,

    /// <summary>A slice of a wider tensor, along the innermost dimension.</summary>
    Sliced,

    /// <summary>The two innermost dimensions of the buffer exchanged, so that the innermost stride is not 1.</summary>
    Transposed,

    /// <summary>One element, repeated with strides of 0; only for equal values.</summary>
    Expanded,
}

/// <summary>Results and gradients of one execution; integer results count as floats.</summary>
public sealed record OpResult(float[][] Outputs, float[][] Gradients);

/// <summary>Executes an <see cref="OpCase"/> on a device with fixed inputs and upstream gradients.</summary>
public sealed class OpRun
{
    private readonly OpCase _case;
    private readonly double[][] _upstream;
    private readonly DType[] _types;
    private readonly int _seed;

    /// <param name="one">What to run.</param>
    /// <param name="device">One of <see cref="TestDevices.Names"/>.</param>
    /// <param name="seed">Of the inputs.</param>
    public OpRun(OpCase one, string device, int seed)
    {
        _case = one;
        _seed = seed;
        Device = TestDevices.Get(device);
        _types = [.. one.Inputs.Select(input => input.IsFloat32 ? DType.Float32 : TestDevices.TypeOf(device, input.IsParameter))];
        var random = new Random(seed);
        Values = [.. one.Inputs.Select((input, i) => input.Values(random, _types[i]))];
        DType upstream = TestDevices.TypeOf(device, isParameter: false);
        _upstream = [.. one.Reference(Values).Select(
            output => output.Select(_ => OpInput.Round(OpInput.Normal(random), upstream)).ToArray())];
    }

    public Device Device { get; }

    public double[][] Values { get; }

    /// <summary>
    /// Runs forward and backward; gradients are those of the differentiable inputs, in order, and zeros for those that are
    /// not tracked; all are if nothing else is said.
    /// </summary>
    public OpResult Execute(Layout inputs, Layout upstream, bool upstreamOnes = false, int uses = 1, Func<int, bool>? isTracked = null)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var tensors = new Tensor[_case.Inputs.Length];
        var owners = new Tensor[_case.Inputs.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            OpInput input = _case.Inputs[i];
            (owners[i], tensors[i]) = input.Integers is { } integers
                ? (null!, Tensor.From(integers, input.Shape, Device))
                : Place(Floats(Values[i]), input.Shape, _types[i], inputs, track: isTracked?.Invoke(i) ?? true);
        }

        using var call = new OpCall(_case.Inputs.Zip(tensors, (input, tensor) => (input.Name, tensor)), _case.Settings);
        Tensor[] outputs = _case.Run(call);
        var pairs = new List<(Tensor, Tensor)>();
        for (int use = 0; use < uses; use++)
        {
            Tensor[] results = use == 0 ? outputs : _case.Run(call);
            for (int k = 0; k < results.Length; k++)
            {
                float[] values = upstreamOnes ? [.. _upstream[k].Select(_ => 1f)] : Floats(_upstream[k]);
                if (results[k].RequiresGradient)
                {
                    pairs.Add((results[k], Place(values, results[k].Shape, results[k].DType, upstream, track: false).View));
                }
            }
        }

        float[][] forward = [.. outputs.Select(output => output.To(DType.Float32).ToArray<float>())];
        tape.Backward([.. pairs]);
        var gradients = new List<float[]>();
        for (int i = 0; i < tensors.Length; i++)
        {
            if (_case.Inputs[i].IsDifferentiable)
            {
                gradients.Add(tensors[i].Gradient?.To(DType.Float32).ToArray<float>() ?? new float[tensors[i].Count]);
                owners[i].ClearGradient();
            }
        }

        return new OpResult(forward, [.. gradients]);
    }

    /// <summary>Gradients of the float64 reference by central differences; NaN where an element was not sampled.</summary>
    public double[][] SampledReferenceGradients(int most, double step)
    {
        var random = new Random(_seed + 1);
        var gradients = new List<double[]>();
        for (int i = 0; i < Values.Length; i++)
        {
            if (!_case.Inputs[i].IsDifferentiable)
            {
                continue;
            }

            var gradient = new double[Values[i].Length];
            Array.Fill(gradient, double.NaN);
            int[] places = gradient.Length <= most
                ? [.. Enumerable.Range(0, gradient.Length)]
                : [0, gradient.Length - 1, .. Enumerable.Range(0, most - 2).Select(_ => random.Next(gradient.Length))];

            // Most of the time of these tests is here: every core takes a share, with values of its own to change.
            int input = i;
            Parallel.ForEach(
                places.Distinct(),
                () => Values.Select(values => (double[])values.Clone()).ToArray(),
                (place, _, values) =>
                {
                    double kept = values[input][place];
                    values[input][place] = kept + step;
                    double above = Objective(values);
                    values[input][place] = kept - step;
                    double below = Objective(values);
                    values[input][place] = kept;
                    gradient[place] = (above - below) / (2 * step);
                    return values;
                },
                _ => { });

            gradients.Add(gradient);
        }

        return [.. gradients];
    }

    private static float[] Floats(double[] values) => [.. values.Select(v => (float)v)];

    private double Objective(double[][] values)
    {
        double sum = 0;
        double[][] outputs = _case.Reference(values);
        for (int k = 0; k < outputs.Length; k++)
        {
            for (int i = 0; i < outputs[k].Length; i++)
            {
                sum += outputs[k][i] * _upstream[k][i];
            }
        }

        return sum;
    }

    private (Tensor Owner, Tensor View) Place(float[] values, Shape shape, DType type, Layout layout, bool track)
    {
        if (shape.Rank == 0 || (layout == Layout.Transposed && shape.Rank < 2))
        {
            layout = layout == Layout.Expanded ? layout : Layout.Contiguous;
        }

        Tensor owner;
        switch (layout)
        {
            case Layout.Sliced:
                const int Before = 3;
                const int After = 2;
                long row = shape[^1];
                var wide = new float[shape[..^1].Count * (row + Before + After)];
                Array.Fill(wide, float.NaN);
                for (long i = 0; i < values.Length; i++)
                {
                    wide[(i / row * (row + Before + After)) + Before + (i % row)] = values[i];
                }

                owner = Track(Make(wide, shape.With(^1, row + Before + After)), track);
                return (owner, owner.Slice(-1, Before, row));

            case Layout.Transposed:
                Tensor plain = Make(values, shape);
                owner = Track(plain.Transpose(-1, -2).Clone(), track);
                return (owner, owner.Transpose(-1, -2));

            case Layout.Expanded:
                owner = Make([values.Length > 0 ? values[0] : 0f], [1]).Reshape([]);
                return (owner, owner.Expand(shape));

            default:
                owner = Track(Make(values, shape), track);
                return (owner, owner);
        }

        Tensor Make(float[] elements, Shape dimensions) => Tensor.From(elements, dimensions, Device).To(type);
    }

    private static Tensor Track(Tensor tensor, bool track) => track ? tensor.RequireGradient() : tensor;
}
