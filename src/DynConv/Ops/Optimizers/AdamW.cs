using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter 2019).</summary>
public static partial class AdamW
{
    /// <summary>
    /// One step, in place, in one pass. With g the gradient times <paramref name="gradientScale"/> and s the step:
    /// <c>p = p (1 - lr decay)</c>; <c>m = beta1 m + (1 - beta1) g</c>; <c>v = beta2 v + (1 - beta2) g^2</c>;
    /// <c>p = p - lr / (1 - beta1^s) * m / (sqrt(v / (1 - beta2^s)) + epsilon)</c>: as PyTorch's AdamW.
    /// </summary>
    /// <param name="parameter">float32, any strides; changed.</param>
    /// <param name="gradient">The same shape; float32, or bfloat16 on CUDA.</param>
    /// <param name="firstMoment">The same shape, zero before the first step; changed.</param>
    /// <param name="secondMoment">The same shape, zero before the first step; changed.</param>
    /// <param name="settings">Learning rate and so on.</param>
    /// <param name="step">Number of this step, from 1.</param>
    /// <param name="gradientScale">Factor of the gradient: for clipping, or for a mean over micro-batches.</param>
    /// <param name="deviceScale">
    /// A further factor that the device knows, float32 <c>[]</c>, as <see cref="GradientNorm.ClipScale"/> gives it; 1 if
    /// not given. Where it is NaN the step changes nothing.
    /// </param>
    /// <exception cref="TensorException">A shape, a dtype or a setting does not fit.</exception>
    public static void Step(
        Tensor parameter,
        Tensor gradient,
        Tensor firstMoment,
        Tensor secondMoment,
        AdamWStepSettings settings,
        long step,
        float gradientScale = 1f,
        Tensor? deviceScale = null)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentNullException.ThrowIfNull(gradient);
        ArgumentNullException.ThrowIfNull(firstMoment);
        ArgumentNullException.ThrowIfNull(secondMoment);
        ArgumentNullException.ThrowIfNull(settings);
        OpArguments.SameShape("adamw", parameter, gradient);
        OpArguments.SameShape("adamw", parameter, firstMoment);
        OpArguments.SameShape("adamw", parameter, secondMoment);
        OpArguments.Float32("adamw", parameter, firstMoment, secondMoment);
        OpArguments.Floating("adamw", gradient);
        OpArguments.OneDevice("adamw", parameter, gradient);
        if (deviceScale is not null)
        {
            OpArguments.Float32("adamw", parameter, deviceScale);
            OpArguments.Rank("adamw", "the scale", deviceScale, 0, "[]");
        }

        if (step < 1)
        {
            throw new TensorException("adamw", $"steps count from 1, and {step} is less.", parameter);
        }

        CheckBeta("beta1", settings.Beta1, parameter);
        CheckBeta("beta2", settings.Beta2, parameter);
        var factors = new Factors(settings, step, gradientScale);
        if (parameter.Device.IsCuda)
        {
            StepCuda(parameter, gradient, firstMoment, secondMoment, factors, deviceScale);
        }
        else
        {
            StepCpu(parameter, gradient, firstMoment, secondMoment, factors, deviceScale);
        }

        parameter.Storage.MarkChanged();
    }

    /// <summary>
    /// The same step for many parameters: on a card in a few launches for all of them. A copy of a parameter that is kept up to
    /// date (<see cref="Counterpart"/>) is changed along with it.
    /// </summary>
    /// <param name="parts">What <see cref="Step"/> takes for each; those with gaps between their elements are changed one by one.</param>
    /// <param name="settings">As for <see cref="Step"/>, but for the decay, which each has for itself.</param>
    /// <param name="step">Number of this step, from 1.</param>
    /// <param name="gradientScale">Factor of the gradients.</param>
    /// <param name="deviceScale">A further one that the device knows.</param>
    internal static void StepAll(
        IReadOnlyList<AdamWPart> parts, AdamWStepSettings settings, long step, float gradientScale, Tensor? deviceScale)
    {
        AdamWPart[] together = [.. parts.Where(part => part.IsDense && part.Weight.Device.IsCuda)];
        if (together.Length > 0)
        {
            CheckBeta("beta1", settings.Beta1, together[0].Weight);
            CheckBeta("beta2", settings.Beta2, together[0].Weight);
            HashSet<Counterpart> copies = CopiesOf(together);
            StepManyCuda(together, copies, settings, step, gradientScale, deviceScale);
            foreach (AdamWPart part in together)
            {
                part.Weight.Storage.MarkChanged();
            }

            foreach (Counterpart copy in copies)
            {
                copy.MarkCurrent();
            }
        }

        // After the others: what these change, a copy does not have.
        foreach (AdamWPart part in together.Length == parts.Count ? [] : parts.Except(together))
        {
            AdamWStepSettings own = settings with { WeightDecay = part.WeightDecay };
            Step(part.Weight, part.Gradient, part.FirstMoment, part.SecondMoment, own, step, gradientScale, deviceScale);
        }
    }

    /// <summary>The copies that have all values of now, and places for all that change.</summary>
    private static HashSet<Counterpart> CopiesOf(AdamWPart[] parts)
    {
        HashSet<Counterpart> copies = [];
        HashSet<Counterpart> others = [];
        foreach (AdamWPart part in parts)
        {
            if (part.Weight.Storage.Counterpart is { } copy)
            {
                (copy.IsCurrent && copy.AddressOf(part.Weight) != 0 ? copies : others).Add(copy);
            }
        }

        copies.ExceptWith(others);
        return copies;
    }

    private static float ShareKept(double learningRate, double weightDecay) => (float)(1 - (learningRate * weightDecay));

    private static void CheckBeta(string name, double value, Tensor parameter)
    {
        if (!(value >= 0 && value < 1))
        {
            throw new TensorException("adamw", $"{name} has to lie in [0, 1), and {value} does not.", parameter);
        }
    }

    /// <summary>What a step takes of the settings, as adamw.cuh has it.</summary>
    /// <param name="Gradient">Factor of the gradient.</param>
    /// <param name="Kept">What decay leaves of the parameter.</param>
    /// <param name="Beta1">What stays of the first moment.</param>
    /// <param name="New1">What the gradient adds to it.</param>
    /// <param name="Beta2">What stays of the second moment.</param>
    /// <param name="New2">What the gradient's square adds to it.</param>
    /// <param name="Root">Corrects the root of the second moment.</param>
    /// <param name="Epsilon">Added to that root.</param>
    /// <param name="Step">Learning rate, with the first moment's correction.</param>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("adamw.cuh", "Factors")]
    private readonly record struct Factors(
        float Gradient,
        float Kept,
        float Beta1,
        float New1,
        float Beta2,
        float New2,
        float Root,
        float Epsilon,
        float Step)
    {
        public Factors(AdamWStepSettings settings, long step, float gradientScale)
            : this(
                gradientScale,
                ShareKept(settings.LearningRate, settings.WeightDecay),
                (float)settings.Beta1,
                (float)(1 - settings.Beta1),
                (float)settings.Beta2,
                (float)(1 - settings.Beta2),
                (float)(1 / Math.Sqrt(1 - Math.Pow(settings.Beta2, step))),
                (float)settings.Epsilon,
                (float)(settings.LearningRate / (1 - Math.Pow(settings.Beta1, step))))
        {
        }
    }
}
