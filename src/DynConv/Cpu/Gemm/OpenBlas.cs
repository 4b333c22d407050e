namespace DynConv.Cpu;

/// <summary>
/// Matrix products by the machine's OpenBLAS. It is kept to one thread and called from <see cref="Workers"/> for fixed
/// tiles of C: its threads never compete with ours, and results do not depend on how many there are.
/// </summary>
internal static unsafe class OpenBlas
{
    private const int RowMajor = 101;
    private const int NoTranspose = 111;
    private const int Transpose = 112;

    // Each call packs both factors anew: tiles are as large as they can be with some for every thread.
    private const long WantedTiles = 16;
    private const long MinTileRows = 64;

    private static readonly string[] Names = OperatingSystem.IsWindows() ? ["libopenblas.dll", "openblas.dll"]
        : OperatingSystem.IsMacOS() ? ["libopenblas.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.dylib"]
        : ["libopenblas.so.0", "libopenblas.so"];

    private static readonly Lazy<OpenBlasLibrary> Loaded = new(() => OpenBlasLibrary.Load(Names));

    public static OpenBlasInfo Info => Loaded.Value.Info;

    /// <summary>Whether the sizes fit into the library's 32-bit ones.</summary>
    public static bool CanMultiply(in GemmProblem problem) =>
        Math.Max(Math.Max(problem.M, problem.N), problem.K) <= int.MaxValue
        && Math.Max(Math.Max(problem.A.Stride, problem.B.Stride), problem.CStride) <= int.MaxValue;

    public static void Multiply(GemmProblem problem)
    {
        if (problem.IsSmall)
        {
            MultiplyTile(problem);
        }
        else
        {
            MultiplyOnAllThreads(problem);
        }
    }

    private static void MultiplyOnAllThreads(GemmProblem problem)
    {
        bool alongRows = problem.M >= problem.N;
        long length = Math.Max(problem.M, problem.N);
        long tile = Math.Max(MinTileRows, (length + WantedTiles - 1) / WantedTiles);
        Workers.ForRange(length, tile, (start, end) => MultiplyTile(alongRows
            ? problem.Tile(start, end - start, 0, problem.N)
            : problem.Tile(0, problem.M, start, end - start)));
    }

    private static void MultiplyTile(in GemmProblem tile) => Loaded.Value.Sgemm(
        RowMajor,
        tile.A.Transposed ? Transpose : NoTranspose,
        tile.B.Transposed ? Transpose : NoTranspose,
        (int)tile.M,
        (int)tile.N,
        (int)tile.K,
        1f,
        tile.A.Data,
        (int)tile.A.Stride,
        tile.B.Data,
        (int)tile.B.Stride,
        tile.Accumulate ? 1f : 0f,
        tile.C,
        (int)tile.CStride);
}
