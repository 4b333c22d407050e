using System.Collections.Concurrent;
using DynConv.Cpu;

namespace DynConv.Tests.Ops;

/// <summary>
/// The test body of every op: derive, list the cases, add only what is particular to the op.
/// <code>
/// public sealed class SwiGluTests : OpTests&lt;SwiGluTests&gt;, IOpCases
/// {
///     public static IEnumerable&lt;OpCase&gt; Cases => …;
/// }
/// </code>
/// Gradients are compared with central differences of the float64 reference (step 1e-4: its own error is some 1e-8), at
/// up to <see cref="SampledElements"/> elements of each input. Errors are shares of the largest value.
/// </summary>
[Trait("Uses", "compiler")]
public abstract class OpTests<TCases>
    where TCases : IOpCases
{
    private const int SampledElements = 160;
    private const double Step = 1e-4;
    private const int SlowCases = 6;

    private static readonly ConcurrentDictionary<(string Name, DType Activations, DType Parameters), double[][]> ReferenceGradients = new();

    public static TheoryData<string, string> Names
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string device in TestDevices.Names)
            {
                foreach (OpCase one in Choice([.. TCases.Cases.Where(one => IsMeantFor(one, device))], device))
                {
                    data.Add(one.Name, device);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Names), DisableDiscoveryEnumeration = true)]
    public void Results_and_gradients_match_the_float64_reference(string name, string device)
    {
        OpRun run = Setup(name, device, out OpCase one);
        OpResult got = run.Execute(Layout.Contiguous, Layout.Contiguous);
        Compare(one, device, got.Outputs, one.Reference(run.Values), "result");

        // The same numbers on another device have the same gradients.
        double[][] wanted = ReferenceGradients.GetOrAdd(
            (name, TestDevices.TypeOf(device, isParameter: false), TestDevices.TypeOf(device, isParameter: true)),
            _ => run.SampledReferenceGradients(SampledElements, Step));
        Compare(one, device, got.Gradients, wanted, "gradient");
    }

    [Theory]
    [MemberData(nameof(Names), DisableDiscoveryEnumeration = true)]
    public void Strides_of_inputs_and_upstream_gradients_do_not_matter(string name, string device)
    {
        OpRun run = Setup(name, device, out OpCase one);
        OpResult plain = run.Execute(Layout.Contiguous, Layout.Contiguous);
        double[][] wanted = Doubles(plain.Outputs);
        double[][] gradients = Doubles(plain.Gradients);
        foreach ((Layout inputs, Layout upstream) in new[]
        {
            (Layout.Sliced, Layout.Contiguous), (Layout.Contiguous, Layout.Sliced), (Layout.Sliced, Layout.Sliced),
            (Layout.Transposed, Layout.Transposed),
        })
        {
            OpResult got = run.Execute(inputs, upstream);
            Compare(one, device, got.Outputs, wanted, $"{inputs} inputs: result");
            Compare(one, device, got.Gradients, gradients, $"{inputs} inputs, {upstream} upstream: gradient");
        }

        OpResult ones = run.Execute(Layout.Contiguous, Layout.Contiguous, upstreamOnes: true);
        OpResult expanded = run.Execute(Layout.Contiguous, Layout.Expanded, upstreamOnes: true);
        Compare(one, device, expanded.Gradients, Doubles(ones.Gradients), "expanded upstream: gradient");
    }

    [Theory]
    [MemberData(nameof(Names), DisableDiscoveryEnumeration = true)]
    public void A_second_use_adds_to_the_gradient(string name, string device)
    {
        OpRun run = Setup(name, device, out OpCase one);
        OpResult once = run.Execute(Layout.Sliced, Layout.Contiguous);
        OpResult twice = run.Execute(Layout.Sliced, Layout.Contiguous, uses: 2);
        double[][] doubled = Doubles(once.Gradients);
        foreach (double[] gradient in doubled)
        {
            for (int i = 0; i < gradient.Length; i++)
            {
                gradient[i] *= 2;
            }
        }

        Compare(one, device, twice.Gradients, doubled, "gradient of two uses");
    }

    [Theory]
    [MemberData(nameof(Names), DisableDiscoveryEnumeration = true)]
    public void A_gradient_does_not_depend_on_which_others_are_wanted(string name, string device)
    {
        OpRun run = Setup(name, device, out OpCase one);
        OpResult all = run.Execute(Layout.Contiguous, Layout.Contiguous);
        int[] inputs = [.. Enumerable.Range(0, one.Inputs.Length).Where(i => one.Inputs[i].IsDifferentiable)];
        for (int k = 0; k < inputs.Length && inputs.Length > 1; k++)
        {
            int input = inputs[k];
            if (device == "cpu" || !TestDevices.IsSlow)
            {
                OpResult alone = run.Execute(Layout.Contiguous, Layout.Contiguous, isTracked: i => i == input);
                Compare(one, device, [alone.Gradients[k]], Doubles([all.Gradients[k]]), $"gradient of {one.Inputs[input].Name} alone");
            }

            OpResult others = run.Execute(Layout.Contiguous, Layout.Contiguous, isTracked: i => i != input);
            int[] rest = [.. Enumerable.Range(0, inputs.Length).Where(i => i != k)];
            Compare(
                one,
                device,
                [.. rest.Select(i => others.Gradients[i])],
                Doubles([.. rest.Select(i => all.Gradients[i])]),
                $"without {one.Inputs[input].Name}: gradient");
        }
    }

    [Theory]
    [MemberData(nameof(Names), DisableDiscoveryEnumeration = true)]
    public void Any_number_of_threads_gives_the_same_bits(string name, string device)
    {
        OpRun run = Setup(name, device, out _);
        OpResult one = Execute(1);
        foreach (int threads in new[] { 2, 5 })
        {
            OpResult many = Execute(threads);
            AssertSameBits(one.Outputs, many.Outputs);
            AssertSameBits(one.Gradients, many.Gradients);
        }

        OpResult Execute(int threads)
        {
            using IDisposable limit = CpuSettings.LimitThreads(threads);
            return run.Execute(Layout.Contiguous, Layout.Contiguous);
        }
    }

    [Theory]
    [MemberData(nameof(Names), DisableDiscoveryEnumeration = true)]
    public void No_buffer_is_left_alive(string name, string device)
    {
        OpRun run = Setup(name, device, out _);

        // What a test class or an op keeps for good, such as a table of angles, is there after the first execution.
        run.Execute(Layout.Sliced, Layout.Sliced);
        long before = run.Device.Memory.LiveBuffers;
        run.Execute(Layout.Sliced, Layout.Sliced);
        Assert.Equal(before, run.Device.Memory.LiveBuffers);
    }

    /// <summary>All cases, or, where a device is slow, some from all over the list; each type takes others.</summary>
    private static IEnumerable<OpCase> Choice(OpCase[] cases, string device)
    {
        if (device == "cpu" || !TestDevices.IsSlow || cases.Length <= SlowCases)
        {
            return cases;
        }

        int step = (cases.Length + SlowCases - 1) / SlowCases;
        int first = TestDevices.All.ToList().IndexOf(device) % step;
        return cases.Where((_, i) => i % step == first);
    }

    // Without parameters, mixed types are no different from bfloat16.
    private static bool IsMeantFor(OpCase one, string device) =>
        device != TestDevices.MixedCuda || one.Inputs.Any(input => input.IsParameter);

    private static OpRun Setup(string name, string device, out OpCase one)
    {
        one = TCases.Cases.Single(c => c.Name == name);
        return new OpRun(one, device, seed: name.Aggregate(17, (sum, c) => (sum * 31) + c));
    }

    private static void Compare(OpCase one, string device, float[][] got, double[][] wanted, string what)
    {
        double tolerance = TestDevices.TypeOf(device, isParameter: false) == DType.BFloat16 ? one.Op.BFloat16Tolerance : one.Op.Tolerance;
        Assert.Equal(wanted.Length, got.Length);
        for (int k = 0; k < got.Length; k++)
        {
            Assert.Equal(wanted[k].Length, got[k].Length);
            double largest = wanted[k].Where(v => !double.IsNaN(v)).Select(Math.Abs).DefaultIfEmpty(0).Max();
            double limit = tolerance * (largest == 0 ? 1 : largest);
            for (int i = 0; i < got[k].Length; i++)
            {
                // NaN in the reference marks an element that was not sampled. Written so that a NaN in the result fails.
                bool fits = double.IsNaN(wanted[k][i]) ? !float.IsNaN(got[k][i]) : Math.Abs(got[k][i] - wanted[k][i]) <= limit;
                if (!fits)
                {
                    Assert.Fail($"{one.Name} on {device}, {what} {k}: at {i} {got[k][i]} instead of {wanted[k][i]} (limit {limit:g3})");
                }
            }
        }
    }

    private static void AssertSameBits(float[][] wanted, float[][] got)
    {
        for (int k = 0; k < wanted.Length; k++)
        {
            Assert.True(wanted[k].AsSpan().SequenceEqual(got[k]), $"the bits of {k} differ");
        }
    }

    private static double[][] Doubles(float[][] values) =>
        [.. values.Select(v => v.Select(x => (double)x).ToArray())];
}
