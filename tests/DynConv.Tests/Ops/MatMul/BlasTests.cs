using DynConv.Cpu;
using DynConv.Diagnostics;

namespace DynConv.Tests.Ops;

[Trait("Uses", "OpenBLAS")]
public sealed class BlasTests
{
    private static readonly OpenBlasInfo None = new(null, null, null, "libopenblas.so: no such file");

    [Theory]
    [InlineData("Haswell", 512, BlasBackend.Managed)]
    [InlineData("Haswell", 256, BlasBackend.OpenBlas)]
    [InlineData("SkylakeX", 512, BlasBackend.Managed)]
    [InlineData("NEOVERSEN1", 128, BlasBackend.OpenBlas)]
    public void OpenBlas_is_the_default_unless_vectors_have_512_bits(string core, int bits, BlasBackend expected) =>
        Assert.Equal(expected, Blas.Choose(null, () => new OpenBlasInfo("here", "OpenBLAS", core, null), (SimdLevel)bits));

    [Fact]
    public void Without_OpenBlas_the_default_is_managed() =>
        Assert.Equal(BlasBackend.Managed, Blas.Choose("", () => None, SimdLevel.Vector256));

    [Fact]
    public void The_environment_variable_wins()
    {
        var haswell = new OpenBlasInfo("here", "OpenBLAS", "Haswell", null);
        Assert.Equal(BlasBackend.Managed, Blas.Choose("managed", () => haswell, SimdLevel.Vector256));
        Assert.Equal(BlasBackend.OpenBlas, Blas.Choose("openblas", () => haswell, SimdLevel.Vector512));
    }

    [Fact]
    public void Asking_for_what_is_not_there_is_one_line_with_the_loaders_reason()
    {
        var error = Assert.Throws<DynConvException>(() => Blas.Choose("openblas", () => None, SimdLevel.Vector512));
        Assert.Equal(
            "OpenBLAS is asked for and cannot be loaded (libopenblas.so: no such file); install it, or set DYNCONV_BLAS=managed.",
            error.Message);
    }

    [Fact]
    public void An_unknown_backend_is_refused_with_the_known_ones()
    {
        var error = Assert.Throws<DynConvException>(() => Blas.Choose("mkl", () => None, SimdLevel.Vector512));
        Assert.Equal("DYNCONV_BLAS is 'mkl'; use managed or openblas.", error.Message);
    }

    [Fact]
    public void A_library_that_cannot_be_loaded_leaves_the_loaders_reason_on_one_line()
    {
        OpenBlasInfo info = OpenBlasLibrary.Load(["libdynconv-no-such-library.so.7"]).Info;
        Assert.False(info.IsAvailable);
        Assert.Contains("libdynconv-no-such-library.so.7", info.Reason);
        Assert.DoesNotContain('\n', info.Reason!);
    }

    [Fact]
    public void A_loaded_OpenBlas_says_where_it_lies_and_what_it_is()
    {
        Tools.OpenBlas.OrSkip();
        Assert.True(File.Exists(Blas.OpenBlasInfo.LibraryPath));
        Assert.StartsWith("OpenBLAS", Blas.OpenBlasInfo.Configuration);
        Assert.NotEmpty(Blas.OpenBlasInfo.Core!);
    }

    [Theory]
    [InlineData(BlasBackend.Managed)]
    [InlineData(BlasBackend.OpenBlas)]
    public void Either_backend_is_timed_and_the_one_in_use_stays(BlasBackend backend)
    {
        BlasBackend before = Blas.Backend;
        if (backend == BlasBackend.OpenBlas && !Blas.OpenBlasInfo.IsAvailable)
        {
            var error = Assert.Throws<DynConvException>(() => MatMulBenchmark.Measure(backend, 8, 16, 32));
            Assert.Contains("OpenBLAS is asked for", error.Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.InRange(MatMulBenchmark.Measure(backend, 8, 16, 32, TimeSpan.FromMilliseconds(1)), 0, 10);
        }

        Assert.Equal(before, Blas.Backend);
    }
}
