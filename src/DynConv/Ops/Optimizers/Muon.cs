using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>
/// Muon (Jordan 2024): a step along the momentum of a matrix, made orthogonal, so that all its directions are as long as one
/// another. Sized as by Liu et al. 2025, so that AdamW's learning rate and weight decay serve it.
/// </summary>
public static partial class Muon
{
    // Coefficients a, b, c of X <- a X + b (X Xᵀ) X + c (X Xᵀ)² X: singular values from 0.001 on come near 1 in five steps.
    private const double FirstPower = 3.4445;
    private const double ThirdPower = -4.7750;
    private const double FifthPower = 2.0315;

    // Of an AdamW step, so large is the root of the mean square of an element.
    private const double AdamWSize = 0.2;

    private const float LeastNorm = 1e-7f;

    // The iteration runs on X times this: b (X Xᵀ) + c (X Xᵀ)² is then a product with 1 before it, added to a multiple.
    private static readonly double Stretch = Math.Pow(FifthPower, 0.25);

    /// <summary>
    /// One step, in place. With g the gradient times <paramref name="gradientScale"/>: <c>m = μ m + (1 - μ) g</c>;
    /// <c>u = (1 - μ) g + μ m</c> (Nesterov); <c>p = p (1 - lr decay) - lr 0.2 √max(N, K) U</c> with U as
    /// <see cref="Orthogonalize"/> makes it of u: as PyTorch's Muon with <c>match_rms_adamw</c>. On CUDA U is computed in bfloat16
    /// with float32 sums, as there.
    /// </summary>
    /// <param name="parameter"><c>[N, K]</c>, float32, any strides; changed.</param>
    /// <param name="gradient">The same shape; float32, or bfloat16 on CUDA.</param>
    /// <param name="momentum">The same shape, float32, zero before the first step; changed.</param>
    /// <param name="settings">Learning rate and so on.</param>
    /// <param name="gradientScale">Factor of the gradient: for clipping, or for a mean over micro-batches.</param>
    /// <param name="deviceScale">
    /// A further factor that the device knows, float32 <c>[]</c>, as <see cref="GradientNorm.ClipScale"/> gives it; 1 if
    /// not given. Where it is NaN the step changes nothing.
    /// </param>
    /// <exception cref="TensorException">A shape, a dtype or a setting does not fit.</exception>
    public static void Step(
        Tensor parameter,
        Tensor gradient,
        Tensor momentum,
        MuonStepSettings settings,
        float gradientScale = 1f,
        Tensor? deviceScale = null)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ArgumentNullException.ThrowIfNull(gradient);
        ArgumentNullException.ThrowIfNull(momentum);
        ArgumentNullException.ThrowIfNull(settings);
        OpArguments.Rank("muon", "the parameter", parameter, 2, "[N, K]");
        OpArguments.SameShape("muon", parameter, gradient);
        OpArguments.SameShape("muon", parameter, momentum);
        OpArguments.Float32("muon", parameter, momentum);
        OpArguments.Floating("muon", gradient);
        OpArguments.OneDevice("muon", parameter, gradient);
        if (deviceScale is not null)
        {
            OpArguments.Float32("muon", parameter, deviceScale);
            OpArguments.Rank("muon", "the scale", deviceScale, 0, "[]");
        }

        CheckSteps(settings.NewtonSchulzSteps, parameter);
        if (!(settings.Momentum >= 0 && settings.Momentum < 1))
        {
            throw new TensorException("muon", $"the momentum has to lie in [0, 1), and {settings.Momentum} does not.", parameter);
        }

        if (parameter.Count == 0)
        {
            return;
        }

        using var scope = new TensorScope();
        var factors = new Factors(settings, parameter.Shape, gradientScale);
        if (parameter.Device.IsCuda)
        {
            StepCuda(parameter, gradient, momentum, settings.NewtonSchulzSteps, factors, deviceScale);
        }
        else
        {
            StepCpu(parameter, gradient, momentum, settings.NewtonSchulzSteps, factors, deviceScale);
        }

        parameter.Storage.MarkChanged();
    }

    /// <summary>
    /// The nearest matrix whose singular values are alike: <c>U Vᵀ</c> of <c>U S Vᵀ</c>, but for what the Newton-Schulz iteration
    /// leaves, which takes singular values from some thousandths of the norm on to between 0.68 and 1.14.
    /// </summary>
    /// <param name="matrix"><c>[N, K]</c>, float32, or bfloat16 on CUDA, any strides. Its size does not matter.</param>
    /// <param name="steps">Steps of the iteration.</param>
    /// <returns><c>[N, K]</c> of the matrix's dtype; zeros for a matrix of zeros.</returns>
    /// <exception cref="TensorException">It is no matrix, or there are no steps.</exception>
    public static Tensor Orthogonalize(Tensor matrix, int steps = 5)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        OpArguments.Floating("muon", matrix);
        OpArguments.Rank("muon", "the matrix", matrix, 2, "[N, K]");
        CheckSteps(steps, matrix);
        using var scope = new TensorScope();
        Tensor copy = matrix.Detach().Clone();
        return scope.Keep(copy.Count == 0 ? copy : Elementwise.Scale(Iterate(copy, steps), (float)(1 / Stretch)));
    }

    /// <summary><see cref="Stretch"/> times the orthogonal matrix; the given one, which has to be contiguous, is spoilt.</summary>
    private static Tensor Iterate(Tensor x, int steps)
    {
        Tensor squaredNorm = GradientNorm.SquaredSum(x);
        if (x.Device.IsCuda)
        {
            NormalizeCuda(x, squaredNorm);
        }
        else
        {
            NormalizeCpu(x, squaredNorm);
        }

        bool isTall = x.Shape[0] > x.Shape[1];
        for (int step = 0; step < steps; step++)
        {
            using var scope = new TensorScope();
            Tensor gram = MatMul.Batched(x, x, transposeA: isTall, transposeB: !isTall);
            Tensor polynomial = Elementwise.Scale(gram, (float)(ThirdPower / Math.Sqrt(FifthPower)));
            MatMul.AddProduct(gram, gram, polynomial);
            Tensor next = Elementwise.Scale(x, (float)FirstPower);
            if (isTall)
            {
                MatMul.AddProduct(x, polynomial, next);
            }
            else
            {
                MatMul.AddProduct(polynomial, x, next);
            }

            x.Dispose();
            x = scope.Keep(next);
        }

        return x;
    }

    private static void CheckSteps(int steps, Tensor matrix)
    {
        if (steps < 1)
        {
            throw new TensorException("muon", $"the Newton-Schulz iteration takes at least 1 step, not {steps}.", matrix);
        }
    }

    /// <summary>What a step takes of the settings, as muon.cu has it.</summary>
    /// <param name="Gradient">Factor of the gradient.</param>
    /// <param name="Momentum">What stays of the momentum, and its part in the direction.</param>
    /// <param name="Fresh">What the gradient adds to the momentum, and its own part in the direction.</param>
    /// <param name="Kept">What decay leaves of the parameter.</param>
    /// <param name="Step">Factor of the direction as the iteration leaves it.</param>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("muon.cu", "Factors")]
    private readonly record struct Factors(float Gradient, float Momentum, float Fresh, float Kept, float Step)
    {
        public Factors(MuonStepSettings settings, Shape shape, float gradientScale)
            : this(
                gradientScale,
                (float)settings.Momentum,
                (float)(1 - settings.Momentum),
                (float)(1 - (settings.LearningRate * settings.WeightDecay)),
                (float)(settings.LearningRate * AdamWSize * Math.Sqrt(Math.Max(shape[0], shape[1])) / Stretch))
        {
        }
    }
}
