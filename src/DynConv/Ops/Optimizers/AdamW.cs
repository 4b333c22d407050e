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
    /// <param name="gradient">The same shape.</param>
    /// <param name="firstMoment">The same shape, zero before the first step; changed.</param>
    /// <param name="secondMoment">The same shape, zero before the first step; changed.</param>
    /// <param name="settings">Learning rate and so on.</param>
    /// <param name="step">Number of this step, from 1.</param>
    /// <param name="gradientScale">Factor of the gradient: for clipping, or for a mean over micro-batches.</param>
    /// <exception cref="TensorException">A shape, a dtype or a setting does not fit.</exception>
    public static void Step(
        Tensor parameter,
        Tensor gradient,
        Tensor firstMoment,
        Tensor secondMoment,
        AdamWSettings settings,
        long step,
        float gradientScale = 1f)
    {
        OpArguments.SameShape("adamw", parameter, gradient);
        OpArguments.SameShape("adamw", parameter, firstMoment);
        OpArguments.SameShape("adamw", parameter, secondMoment);
        OpArguments.Float32("adamw", parameter, gradient, firstMoment, secondMoment);
        if (step < 1)
        {
            throw new TensorException("adamw", $"steps count from 1, and {step} is less.", parameter);
        }

        CheckBeta("beta1", settings.Beta1, parameter);
        CheckBeta("beta2", settings.Beta2, parameter);
        StepCpu(parameter, gradient, firstMoment, secondMoment, settings, step, gradientScale);
        parameter.Storage.MarkChanged();
    }

    private static void CheckBeta(string name, double value, Tensor parameter)
    {
        if (!(value >= 0 && value < 1))
        {
            throw new TensorException("adamw", $"{name} has to lie in [0, 1), and {value} does not.", parameter);
        }
    }
}
