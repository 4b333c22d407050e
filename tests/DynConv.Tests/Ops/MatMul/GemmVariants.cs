using System.Runtime.Intrinsics;
using DynConv.Cpu;

namespace DynConv.Tests.Ops;

/// <summary>Everything here that can multiply matrices: the managed kernel at each width, and OpenBLAS.</summary>
internal static class GemmVariants
{
    public static TheoryData<string> Names => ["managed 512", "managed 256", "managed 128", "managed scalar", "openblas"];

    /// <summary>The variant called <paramref name="name"/>; skips the test where the machine lacks it.</summary>
    public static Action<GemmProblem> Get(string name)
    {
        switch (name)
        {
            case "managed 512":
                Assert.SkipUnless(Vector512.IsHardwareAccelerated, "This machine has no 512-bit vectors.");
                return problem => new ManagedGemm(problem).Invoke<Simd512, Vector512<float>>();
            case "managed 256":
                Assert.SkipUnless(Vector256.IsHardwareAccelerated, "This machine has no 256-bit vectors.");
                return problem => new ManagedGemm(problem).Invoke<Simd256, Vector256<float>>();
            case "managed 128":
                Assert.SkipUnless(Vector128.IsHardwareAccelerated, "This machine has no 128-bit vectors.");
                return problem => new ManagedGemm(problem).Invoke<Simd128, Vector128<float>>();
            case "managed scalar":
                return problem => new ManagedGemm(problem).Invoke<SimdScalar, float>();
            default:
                Tools.OpenBlas.OrSkip();
                return OpenBlas.Multiply;
        }
    }
}
