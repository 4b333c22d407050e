namespace DynConv.Ops;

/// <summary>
/// What an op is called with and what it gives, said once for all who run it: tests and gradient checks, conformance
/// vectors, and the benchmark, which works out from it what an op costs at least.
/// </summary>
/// <param name="Name">As in conformance vectors: <c>rms_norm</c>.</param>
/// <param name="Inputs">What it is called with.</param>
/// <param name="Results">What it gives.</param>
/// <param name="Run">Calls it and returns its results, the optional ones that were asked for last.</param>
public sealed record OpDescription(
    string Name, IReadOnlyList<OpTensor> Inputs, IReadOnlyList<OpTensor> Results, Func<OpCall, Tensor[]> Run)
{
    /// <summary>
    /// Largest error allowed, as a share of the largest value of a result or gradient: float32 rounds to 6e-8, and a sum of
    /// n terms loses about sqrt(n) of that, so 1e-5 leaves room for tens of thousands of terms and for nothing else.
    /// </summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>
    /// The same for bfloat16, which rounds to 2e-3 once at the end of an op, and where a kernel multiplies matrices also
    /// its inner factors.
    /// </summary>
    public double BFloat16Tolerance { get; init; } = 1e-2;

    /// <summary>Whether there is a backward pass; an optimizer's step has none.</summary>
    public bool HasGradient { get; init; } = true;

    /// <summary>
    /// Multiplications and additions of the two passes, where an op may take longer over them than over memory; null where
    /// they do not count.
    /// </summary>
    public Func<OpSizes, PassCosts>? Operations { get; init; }

    /// <summary>
    /// Elements that the forward pass reads of its first input, where these are not all of them.
    /// </summary>
    public Func<OpSizes, long>? ElementsRead { get; init; }

    /// <summary>What the benchmark times on the CPU.</summary>
    public OpSizes CpuSizes { get; init; } = OpSizes.Parse("");

    /// <summary>What the benchmark times on a GPU.</summary>
    public OpSizes CudaSizes { get; init; } = OpSizes.Parse("");

    /// <summary>
    /// Bytes that cannot be avoided: the forward pass reads its inputs and writes its results; the backward pass reads what
    /// its formula needs of them, reads the results' gradients, and writes those of the inputs.
    /// </summary>
    /// <param name="sizes">Sizes of the letters.</param>
    /// <param name="inputs">The inputs that are given, of the optional ones as well.</param>
    /// <param name="dtype">Element type of what is not a parameter.</param>
    /// <param name="parameterType">Element type of parameters.</param>
    public PassCosts Bytes(OpSizes sizes, IEnumerable<OpTensor> inputs, DType dtype, DType parameterType)
    {
        ArgumentNullException.ThrowIfNull(sizes);
        ArgumentNullException.ThrowIfNull(inputs);
        long forward = 0;
        long backward = 0;
        foreach (OpTensor input in inputs)
        {
            long bytes = BytesOf(input);
            forward += input.IsChanged ? 2 * bytes : ReferenceEquals(input, Inputs[0]) ? BytesRead(bytes) : bytes;
            backward += (input.IsReadBackward ? bytes : 0) + (HasGradientOfItsOwn(input) ? bytes : 0);
        }

        bool readsUpstream = Inputs.Any(HasGradientOfItsOwn);

        foreach (OpTensor result in Results.Where(static result => !result.IsOptional))
        {
            long bytes = BytesOf(result);
            forward += bytes;
            backward += (result.IsReadBackward ? bytes : 0) + (readsUpstream ? bytes : 0);
        }

        return new PassCosts(forward, HasGradient ? backward : 0);

        static bool HasGradientOfItsOwn(OpTensor input) => input is { IsDifferentiable: true, SharesGradient: false };

        long BytesRead(long all) => ElementsRead is null ? all : ElementsRead(sizes) * Inputs[0].TypeOf(dtype, parameterType).SizeInBytes();

        long BytesOf(OpTensor tensor) => sizes.ShapeOf(tensor).Count * tensor.TypeOf(dtype, parameterType).SizeInBytes();
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}

/// <summary>What the two passes of an op cost, in bytes or in multiplications and additions.</summary>
/// <param name="Forward">Of the forward pass.</param>
/// <param name="Backward">Of the backward pass alone.</param>
public readonly record struct PassCosts(double Forward, double Backward)
{
    /// <summary>Of both.</summary>
    public double Total => Forward + Backward;
}

/// <summary>A tensor that an op takes or gives.</summary>
/// <param name="Name">As in the op's formula.</param>
/// <param name="Dimensions">
/// In letters, numbers and products, quotients, sums or differences of two of them: <c>[R, W*D]</c>, <c>[B, W-1, D]</c>.
/// </param>
public sealed record OpTensor(string Name, string Dimensions)
{
    /// <summary>A parameter may hold float32 where activations hold bfloat16.</summary>
    public bool IsParameter { get; init; }

    /// <summary>
    /// The letter of the exclusive upper bound of integer elements: V for token ids. Such tensors have no gradient. Null for
    /// real numbers.
    /// </summary>
    public string? IntegersBelow { get; init; }

    /// <summary>Whether it always holds float32: a loss, an optimizer's moments.</summary>
    public bool IsFloat32 { get; init; }

    /// <summary>
    /// What a benchmark makes of a standard normal number, where an op's numbers would grow without bound otherwise.
    /// </summary>
    public Func<float, float>? OfNormal { get; init; }

    /// <summary>Whether the op can do without it.</summary>
    public bool IsOptional { get; init; }

    /// <summary>Whether the backward pass reads its elements again.</summary>
    public bool IsReadBackward { get; init; }

    /// <summary>Whether the op changes it in place.</summary>
    public bool IsChanged { get; init; }

    /// <summary>Whether the result's gradient becomes its own without being read: that of a summand.</summary>
    public bool SharesGradient { get; init; }

    /// <summary>Whether it can have a gradient.</summary>
    public bool IsDifferentiable => IntegersBelow is null && !IsChanged;

    /// <summary>What it holds.</summary>
    /// <param name="dtype">Element type of what is not a parameter.</param>
    /// <param name="parameterType">Element type of parameters.</param>
    public DType TypeOf(DType dtype, DType parameterType) =>
        IntegersBelow is not null ? DType.Int32 : IsFloat32 ? DType.Float32 : IsParameter ? parameterType : dtype;
}
