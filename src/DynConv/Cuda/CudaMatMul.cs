namespace DynConv.Cuda;

/// <summary>One operand of a product: rows of a matrix, or its columns, lie in one piece.</summary>
/// <param name="Address">First element of the first matrix.</param>
/// <param name="Type">float32 or bfloat16.</param>
/// <param name="Stride">Distance of neighbouring rows (columns, if transposed), in elements.</param>
/// <param name="Transposed">Whether the columns, not the rows, lie in one piece.</param>
/// <param name="BatchStride">Distance of neighbouring matrices, in elements.</param>
internal readonly record struct CudaMatrix(nint Address, DType Type, long Stride, bool Transposed, long BatchStride)
{
    /// <summary>The same memory read as the transpose.</summary>
    public CudaMatrix Transpose() => this with { Transposed = !Transposed };
}

/// <summary>
/// Matrix products by cuBLASLt, float32 accumulation, no TF32. The algorithm for a shape is kept: the fastest of those that the
/// library proposes (<see cref="AlgorithmSearch"/>), all of which give the same bits each time.
/// </summary>
internal sealed unsafe class CudaMatMul
{
    // What cuBLAS itself takes on Hopper.
    private const long WorkspaceBytes = 32 << 20;

    private const int Proposals = 8;
    private const int Rounds = 3;
    private const double RoundSeconds = 2e-3;
    private const int MostRepetitions = 20;

    private const int ComputeFloat32 = 68;
    private const int LargestAlignment = 256;

    private readonly CudaContext _context;
    private readonly AlgorithmSearch _search;
    private readonly nint _handle;
    private readonly nint _workspace;
    private readonly Dictionary<Key, Plan> _plans = [];

    /// <param name="context">The card.</param>
    /// <param name="search">How algorithms are chosen.</param>
    public CudaMatMul(CudaContext context, AlgorithmSearch search)
    {
        _context = context;
        _search = search;
        context.MakeCurrent();
        nint handle;
        CublasLt.Check(CublasLt.cublasLtCreate(&handle), "starting");
        _handle = handle;
        nint workspace;
        CudaDriver.Check(CudaDriver.cuMemAlloc_v2(&workspace, (nuint)WorkspaceBytes), "asking for cuBLASLt's workspace");
        _workspace = workspace;
    }

    /// <summary>Version of the library, as in <c>13.1.0</c>.</summary>
    public static string Version
    {
        get
        {
            long version = (long)CublasLt.cublasLtGetVersion();
            return $"{version / 10000}.{version / 100 % 100}.{version % 100}";
        }
    }

    /// <summary><c>c = a b</c> or <c>c += a b</c>, <c>[m, k]</c> by <c>[k, n]</c>, for each matrix of a batch.</summary>
    public void Multiply(long m, long n, long k, long batch, CudaMatrix a, CudaMatrix b, CudaMatrix c, bool accumulate)
    {
        // The library counts columns first: there a row-major c is cᵀ = bᵀ aᵀ, with the memory of all three as it is.
        Key key = c.Transposed
            ? new Key(m, n, k, batch, Operand.Of(a.Transpose()), Operand.Of(b.Transpose()), Operand.Of(c.Transpose()))
            : new Key(n, m, k, batch, Operand.Of(b), Operand.Of(a), Operand.Of(c));
        (nint left, nint right) = c.Transposed ? (a.Address, b.Address) : (b.Address, a.Address);
        _context.MakeCurrent();
        Plan plan = FindPlan(key);
        if (_context.IsPlanning)
        {
            return;
        }

        var operands = new Operands(left, right, c.Address);
        lock (plan)
        {
            if (!plan.IsChosen && !_context.IsRecording)
            {
                Choose(plan, key, operands, accumulate);
            }
        }

        _context.BeforeLaunch();
        CublasLt.Check(Launch(plan, plan.Algorithm, operands, accumulate), $"a product of {m} x {k} by {k} x {n}");
        _context.AfterLaunch("cublasLtMatmul");
    }

    private int Launch(Plan plan, CublasLtAlgorithm algorithm, Operands operands, bool accumulate)
    {
        float alpha = 1;
        float beta = accumulate ? 1 : 0;
        return CublasLt.cublasLtMatmul(
            _handle,
            plan.Description,
            &alpha,
            operands.A,
            plan.A,
            operands.B,
            plan.B,
            &beta,
            operands.D,
            plan.D,
            operands.D,
            plan.D,
            &algorithm,
            _workspace,
            (nuint)WorkspaceBytes,
            _context.Stream);
    }

    private Plan FindPlan(Key key)
    {
        lock (_plans)
        {
            if (!_plans.TryGetValue(key, out Plan? plan))
            {
                _plans[key] = plan = MakePlan(key);
            }

            return plan;
        }
    }

    private Plan MakePlan(Key key)
    {
        nint description;
        CublasLt.Check(
            CublasLt.cublasLtMatmulDescCreate(&description, ComputeFloat32, CublasLtType.Float32), "describing a product");
        SetTranspose(description, CublasLtProductAttribute.TransposeA, key.A.Transposed);
        SetTranspose(description, CublasLtProductAttribute.TransposeB, key.B.Transposed);
        nint a = Layout(key.A, key.M, key.K, key.Batch);
        nint b = Layout(key.B, key.K, key.N, key.Batch);
        nint d = Layout(key.D, key.M, key.N, key.Batch);
        nint preference;
        CublasLt.Check(CublasLt.cublasLtMatmulPreferenceCreate(&preference), "stating a preference");
        ulong workspace = WorkspaceBytes;
        CublasLt.Check(
            CublasLt.cublasLtMatmulPreferenceSetAttribute(
                preference, CublasLtPreferenceAttribute.MaximumWorkspaceBytes, &workspace, sizeof(ulong)),
            "limiting the workspace");
        uint schemes = (uint)CublasLtReductionScheme.ComputeType;
        CublasLt.Check(
            CublasLt.cublasLtMatmulPreferenceSetAttribute(
                preference, CublasLtPreferenceAttribute.ReductionSchemes, &schemes, sizeof(uint)),
            "limiting how sums are split");
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfA, key.A);
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfB, key.B);
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfC, key.D);
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfD, key.D);
        CublasLtChoice* choices = stackalloc CublasLtChoice[Proposals];
        int found;
        int status = CublasLt.cublasLtMatmulAlgoGetHeuristic(
            _handle, description, a, b, d, d, preference, Proposals, choices, &found);
        _ = CublasLt.cublasLtMatmulPreferenceDestroy(preference);
        var proposals = new List<CublasLtAlgorithm>();
        for (int i = 0; i < (status == 0 ? found : 0); i++)
        {
            status = choices[i].State;
            if (status == 0 && IsDeterministic(choices[i].Algorithm))
            {
                proposals.Add(choices[i].Algorithm);
            }
        }

        return proposals.Count > 0
            ? new Plan(description, a, b, d, [.. proposals])
            : throw new DynConvException(
                $"cuBLASLt has no algorithm for {key}: {CublasLt.Describe(status != 0 ? status : CublasLt.NotSupported)}.");
    }

    // Parts that add up in the order in which they come have other bits each time.
    private static bool IsDeterministic(CublasLtAlgorithm algorithm)
    {
        int scheme;
        nuint written;
        CublasLt.Check(
            CublasLt.cublasLtMatmulAlgoConfigGetAttribute(
                &algorithm, CublasLtAlgorithmAttribute.ReductionScheme, &scheme, sizeof(int), &written),
            "asking how sums are split");
        return (CublasLtReductionScheme)scheme is CublasLtReductionScheme.None or CublasLtReductionScheme.ComputeType;
    }

    private void Choose(Plan plan, Key key, Operands operands, bool accumulate)
    {
        plan.IsChosen = true;
        if (plan.Proposals.Length == 1 || !_search.Covers(2.0 * key.M * key.N * key.K * key.Batch))
        {
            return;
        }

        // The result is overwritten by the product itself, unless that adds to what is there.
        using Scratch? scratch = accumulate ? Scratch.TryTake(_context, key.D.BytesOf(key.M, key.N, key.Batch)) : null;
        if (accumulate && scratch is null)
        {
            return;
        }

        string product = $"{_context.Name}, driver {CudaContext.DriverVersion}, cuBLASLt {Version}, {WorkspaceBytes} bytes, {key}";
        Operands timed = scratch is null ? operands : operands with { D = scratch.Address };
        plan.Algorithm = _search.Choose(product, plan.Proposals, proposals => Times(plan, proposals, timed));
    }

    /// <summary>The shortest time of each proposal in some rounds through all of them, so that clocks which change do so for all.</summary>
    private double[] Times(Plan plan, CublasLtAlgorithm[] proposals, Operands operands)
    {
        using var timer = new CudaTimer(_context);
        var repetitions = new int[proposals.Length];
        var times = new double[proposals.Length];
        for (int i = 0; i < proposals.Length; i++)
        {
            double first = Launch(plan, proposals[i], operands, accumulate: false) == 0
                ? timer.Once(() => Launch(plan, proposals[i], operands, accumulate: false))
                : double.PositiveInfinity;
            repetitions[i] = double.IsFinite(first) ? (int)Math.Clamp(RoundSeconds / first, 1, MostRepetitions) : 0;
            times[i] = double.PositiveInfinity;
        }

        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < proposals.Length; i++)
            {
                if (repetitions[i] > 0)
                {
                    times[i] = Math.Min(times[i], timer.Once(() => Repeat(plan, proposals[i], operands, repetitions[i])) / repetitions[i]);
                }
            }
        }

        return times;
    }

    private void Repeat(Plan plan, CublasLtAlgorithm algorithm, Operands operands, int times)
    {
        for (int i = 0; i < times; i++)
        {
            CublasLt.Check(Launch(plan, algorithm, operands, accumulate: false), "a product that is timed");
        }
    }

    private static void SetTranspose(nint description, CublasLtProductAttribute attribute, bool transposed)
    {
        int value = transposed ? 1 : 0;
        CublasLt.Check(
            CublasLt.cublasLtMatmulDescSetAttribute(description, attribute, &value, sizeof(int)), "describing a product");
    }

    private static void SetAlignment(nint preference, CublasLtPreferenceAttribute attribute, Operand operand)
    {
        uint bytes = (uint)operand.Alignment;
        CublasLt.Check(
            CublasLt.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &bytes, sizeof(uint)), "stating an alignment");
    }

    private static nint Layout(Operand operand, long rows, long columns, long batch)
    {
        (long stored, long lines) = operand.Transposed ? (columns, rows) : (rows, columns);
        nint layout;
        CublasLt.Check(
            CublasLt.cublasLtMatrixLayoutCreate(&layout, operand.Type, (ulong)stored, (ulong)lines, operand.Stride),
            "describing a matrix");
        if (batch > 1)
        {
            int count = checked((int)batch);
            long stride = operand.BatchStride;
            CublasLt.Check(
                CublasLt.cublasLtMatrixLayoutSetAttribute(layout, CublasLtLayoutAttribute.BatchCount, &count, sizeof(int)),
                "describing a batch");
            CublasLt.Check(
                CublasLt.cublasLtMatrixLayoutSetAttribute(layout, CublasLtLayoutAttribute.BatchStride, &stride, sizeof(long)),
                "describing a batch");
        }

        return layout;
    }

    /// <summary>An operand as the library counts: columns first.</summary>
    private readonly record struct Operand(CublasLtType Type, long Stride, bool Transposed, long BatchStride, int Alignment)
    {
        public static Operand Of(CudaMatrix matrix) => new(
            matrix.Type == DType.BFloat16 ? CublasLtType.BFloat16 : CublasLtType.Float32,
            matrix.Stride,
            matrix.Transposed,
            matrix.BatchStride,
            (int)Math.Min(LargestAlignment, matrix.Address & -matrix.Address));

        /// <summary>Bytes from the first element to the last, of matrices that are not transposed.</summary>
        public long BytesOf(long rows, long columns, long batch) =>
            (((batch - 1) * BatchStride) + ((columns - 1) * Stride) + rows) * (Type == CublasLtType.BFloat16 ? 2 : 4);
    }

    private readonly record struct Key(long M, long N, long K, long Batch, Operand A, Operand B, Operand D);

    /// <summary>Addresses as the library has them.</summary>
    private readonly record struct Operands(nint A, nint B, nint D);

    private sealed class Plan(nint description, nint a, nint b, nint d, CublasLtAlgorithm[] proposals)
    {
        public nint Description => description;

        public nint A => a;

        public nint B => b;

        public nint D => d;

        public CublasLtAlgorithm[] Proposals => proposals;

        public CublasLtAlgorithm Algorithm { get; set; } = proposals[0];

        /// <summary>Whether <see cref="Algorithm"/> is more than the first proposal until there is a time to measure.</summary>
        public bool IsChosen { get; set; }
    }

    /// <summary>Memory of the card for a while, outside of the pool.</summary>
    private sealed class Scratch(CudaContext context, nint address) : IDisposable
    {
        public nint Address => address;

        public static Scratch? TryTake(CudaContext context, long bytes)
        {
            nint address;
            return CudaDriver.cuMemAlloc_v2(&address, (nuint)bytes) == CudaDriver.Success ? new Scratch(context, address) : null;
        }

        public void Dispose()
        {
            context.Synchronize();
            CudaDriver.Check(CudaDriver.cuMemFree_v2(address), "giving memory back");
        }
    }
}
