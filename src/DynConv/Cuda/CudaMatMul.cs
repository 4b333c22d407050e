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
/// Matrix products by cuBLASLt, float32 accumulation, no TF32. What the library's heuristic chose for a shape is kept.
/// </summary>
internal sealed unsafe class CudaMatMul
{
    // What cuBLAS itself takes on Hopper.
    private const long WorkspaceBytes = 32 << 20;

    private const int ComputeFloat32 = 68;
    private const int LargestAlignment = 256;

    private readonly CudaContext _context;
    private readonly nint _handle;
    private readonly nint _workspace;
    private readonly Dictionary<Key, Plan> _plans = [];

    public CudaMatMul(CudaContext context)
    {
        _context = context;
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

        float alpha = 1;
        float beta = accumulate ? 1 : 0;
        CublasLtAlgorithm algorithm = plan.Algorithm;
        CublasLt.Check(
            CublasLt.cublasLtMatmul(
                _handle,
                plan.Description,
                &alpha,
                left,
                plan.A,
                right,
                plan.B,
                &beta,
                c.Address,
                plan.D,
                c.Address,
                plan.D,
                &algorithm,
                _workspace,
                (nuint)WorkspaceBytes,
                _context.Stream),
            $"a product of {m} x {k} by {k} x {n}");
        _context.AfterLaunch("cublasLtMatmul");
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
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfA, key.A);
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfB, key.B);
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfC, key.D);
        SetAlignment(preference, CublasLtPreferenceAttribute.AlignmentOfD, key.D);
        CublasLtChoice choice;
        int found;
        int status = CublasLt.cublasLtMatmulAlgoGetHeuristic(
            _handle, description, a, b, d, d, preference, 1, &choice, &found);
        _ = CublasLt.cublasLtMatmulPreferenceDestroy(preference);
        if (status == 0)
        {
            status = found > 0 ? choice.State : CublasLt.NotSupported;
        }

        if (status != 0)
        {
            throw new DynConvException($"cuBLASLt has no algorithm for {key}: {CublasLt.Describe(status)}.");
        }

        return new Plan(description, a, b, d, choice.Algorithm);
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
    }

    private readonly record struct Key(long M, long N, long K, long Batch, Operand A, Operand B, Operand D);

    private sealed record Plan(nint Description, nint A, nint B, nint D, CublasLtAlgorithm Algorithm);
}
