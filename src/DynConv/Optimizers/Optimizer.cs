using System.Globalization;
using DynConv.Modules;
using DynConv.Serialization;

namespace DynConv.Optimizers;

/// <summary>
/// Changes the parameters of a module by their gradients. A derived optimizer says how one parameter is updated and what it
/// keeps for that; here are the gradient's norm and its clipping, the count of steps, and files.
/// </summary>
/// <remarks>
/// <see cref="Trainer"/> makes whole steps with it. By hand: record a loss on a <see cref="Tape"/>, run it backward, and call
/// <see cref="Step()"/>, which also clears the gradients. A gradient whose norm is not finite changes no parameter.
/// </remarks>
public abstract class Optimizer : IDisposable
{
    private const string StepKey = "step";

    private readonly double _clipNorm;

    /// <summary>Takes the parameters of a module; one that has several names counts once, by its first.</summary>
    /// <param name="module">Whose parameters are trained; it stays its holder's.</param>
    /// <param name="learningRate">Of steps that are given no other.</param>
    /// <param name="clipNorm">Norm that larger gradients are scaled down to; 0 for no limit.</param>
    /// <exception cref="DynConvException">The module has no parameters, or a number does not fit.</exception>
    protected Optimizer(Module module, double learningRate, double clipNorm)
    {
        ArgumentNullException.ThrowIfNull(module);
        AtLeastZero("learning rate", learningRate);
        AtLeastZero("norm to clip to", clipNorm);
        Parameters = [.. module.NamedParameters().DistinctBy(pair => pair.Value)];
        if (Parameters.Count == 0)
        {
            throw new DynConvException("An optimizer needs a module with parameters, and this one has none.");
        }

        LearningRate = learningRate;
        _clipNorm = clipNorm;
    }

    /// <summary>The parameters with their names.</summary>
    public IReadOnlyList<KeyValuePair<string, Parameter>> Parameters { get; }

    /// <summary>Where the parameters are.</summary>
    public Device Device => Parameters[0].Value.Tensor.Device;

    /// <summary>The learning rate of steps that are given no other.</summary>
    public double LearningRate { get; }

    /// <summary>Updates so far, those before a <see cref="Load(string)"/> included.</summary>
    public long StepCount { get; internal set; }

    /// <summary>The norm of all gradients together; waits for the device.</summary>
    /// <exception cref="DynConvException">No parameter has a gradient.</exception>
    public double GradientNorm()
    {
        using var scope = new TensorScope();
        return Math.Sqrt(SquaredGradientNorm().Item());
    }

    /// <summary>The square of the norm of all gradients together, on the device.</summary>
    /// <param name="others">float32 tensors that are to count as well.</param>
    /// <returns>A scalar, float32.</returns>
    /// <exception cref="DynConvException">No parameter has a gradient, and there are no others.</exception>
    public Tensor SquaredGradientNorm(params IEnumerable<Tensor> others)
    {
        ArgumentNullException.ThrowIfNull(others);
        using var scope = new TensorScope();
        Tensor[] gradients = [.. Parameters.Select(pair => pair.Value.Gradient).OfType<Tensor>(), .. others];
        return gradients.Length > 0
            ? scope.Keep(Ops.GradientNorm.SquaredSum(gradients))
            : throw new DynConvException("No parameter has a gradient; record a loss on a Tape and run it backward before a step.");
    }

    /// <summary>Changes the parameters by <see cref="LearningRate"/> and clears their gradients; waits for nothing on a GPU.</summary>
    /// <exception cref="DynConvException">No parameter has a gradient.</exception>
    public void Step() => Step(LearningRate);

    /// <summary>The same with a learning rate of its own.</summary>
    /// <param name="learningRate">This step's.</param>
    /// <exception cref="DynConvException">No parameter has a gradient.</exception>
    public void Step(double learningRate)
    {
        if (!Device.IsCuda)
        {
            Step(learningRate, GradientNorm());
            return;
        }

        using var scope = new TensorScope();
        Step(learningRate, SquaredGradientNorm());
    }

    /// <summary>Changes the parameters and clears their gradients.</summary>
    /// <param name="learningRate">This step's.</param>
    /// <param name="gradientNorm">What <see cref="GradientNorm"/> has said; one that is not finite changes no parameter.</param>
    public void Step(double learningRate, double gradientNorm) =>
        Update(Gradients(), learningRate, !double.IsFinite(gradientNorm) ? float.NaN : _clipNorm > 0 && gradientNorm > _clipNorm ? (float)(_clipNorm / gradientNorm) : 1f, null);

    /// <summary>
    /// The same by a norm that the host does not know yet: nothing is waited for. A norm that is not finite changes no
    /// parameter.
    /// </summary>
    /// <param name="learningRate">This step's.</param>
    /// <param name="squaredNorm">What <see cref="SquaredGradientNorm"/> has returned.</param>
    public void Step(double learningRate, Tensor squaredNorm)
    {
        ArgumentNullException.ThrowIfNull(squaredNorm);
        Step(learningRate, squaredNorm, Gradients());
    }

    /// <summary>The same by gradients that the parameters do not have.</summary>
    internal void Step(double learningRate, Tensor squaredNorm, IReadOnlyList<(Parameter Parameter, Tensor Gradient)> gradients)
    {
        using var scope = new TensorScope();
        float limit = _clipNorm > 0 ? (float)_clipNorm : float.PositiveInfinity;
        Update(gradients, learningRate, 1f, Ops.GradientNorm.ClipScale(squaredNorm, limit));
    }

    /// <summary>Gives the memory of all gradients back.</summary>
    public void ClearGradients()
    {
        foreach ((_, Parameter parameter) in Parameters)
        {
            parameter.Tensor.ClearGradient();
        }
    }

    /// <summary>Writes what the optimizer keeps as safetensors, with the number of steps in the metadata; the parameters are not in it.</summary>
    /// <param name="path">The file, which is complete or absent.</param>
    /// <exception cref="DynConvException">It cannot be written.</exception>
    public void Save(string path) =>
        SafetensorsWriter.Write(path, State(), [new(StepKey, StepCount.ToString(CultureInfo.InvariantCulture))]);

    /// <summary>Reads what <see cref="Save"/> has written for the same module and kind of optimizer.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DynConvException">It cannot be read, a tensor is missing or of another shape, or it does not say how many steps there were.</exception>
    public void Load(string path)
    {
        using var reader = new SafetensorsReader(path);
        Load(reader, reader.Metadata.TryGetValue(StepKey, out string? text)
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long steps)
                ? steps
                : throw new DynConvException($"{path} does not say how many steps came before it; give the number."));
    }

    /// <summary>The same for a file that does not say how many steps came before it, or whatever it says.</summary>
    /// <param name="path">The file.</param>
    /// <param name="stepCount">Updates before it.</param>
    /// <exception cref="DynConvException">It cannot be read, or a tensor is missing or of another shape.</exception>
    public void Load(string path, long stepCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(stepCount);
        using var reader = new SafetensorsReader(path);
        Load(reader, stepCount);
    }

    /// <summary>Gives back what the optimizer keeps; the parameters stay.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Changes a parameter in place.</summary>
    /// <param name="parameter">One of <see cref="Parameters"/>.</param>
    /// <param name="gradient">Its gradient; not yet scaled.</param>
    /// <param name="update">What else the update goes by.</param>
    protected abstract void Update(Parameter parameter, Tensor gradient, OptimizerUpdate update);

    /// <summary>Changes parameters in place: one after the other, unless an optimizer can do it for many at once.</summary>
    private protected virtual void Update(IReadOnlyList<(Parameter Parameter, Tensor Gradient)> gradients, OptimizerUpdate update)
    {
        foreach ((Parameter parameter, Tensor gradient) in gradients)
        {
            Update(parameter, gradient, update);
        }
    }

    /// <summary>What the optimizer keeps between steps, by the names that files have for it.</summary>
    protected abstract IEnumerable<KeyValuePair<string, Tensor>> State();

    /// <summary>Gives back what the optimizer keeps.</summary>
    /// <param name="disposing">Always true: there are no finalizers here.</param>
    protected virtual void Dispose(bool disposing)
    {
        foreach ((_, Tensor tensor) in State())
        {
            tensor.Dispose();
        }
    }

    private static void AtLeastZero(string what, double value)
    {
        if (!(value >= 0 && double.IsFinite(value)))
        {
            throw new DynConvException($"The {what} has to be 0 or above, and {value} is not.");
        }
    }

    private void Load(SafetensorsReader reader, long stepCount)
    {
        foreach ((string name, Tensor tensor) in State())
        {
            reader.ReadInto(name, tensor);
        }

        StepCount = stepCount;
    }

    private (Parameter Parameter, Tensor Gradient)[] Gradients() =>
        [.. Parameters.Where(pair => pair.Value.Gradient is not null).Select(pair => (pair.Value, pair.Value.Gradient!))];

    private void Update(
        IReadOnlyList<(Parameter Parameter, Tensor Gradient)> gradients, double learningRate, float scale, Tensor? deviceScale)
    {
        using var tensors = new TensorScope();
        var update = new OptimizerUpdate(StepCount + 1, learningRate, scale, deviceScale);
        Update(gradients, update);
        StepCount++;
        ClearGradients();
    }
}
