using DynConv.Cpu;
using DynConv.Cuda;
using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>Times matrix products.</summary>
public static class MatMulBenchmark
{
    private const int Calls = 5;

    /// <summary>The median time of the kernels of <c>C = A Bᵀ</c>, as a linear layer computes it.</summary>
    /// <param name="device">A GPU.</param>
    /// <param name="dtype">float32 or bfloat16.</param>
    /// <param name="m">Rows of A and of the result.</param>
    /// <param name="n">Rows of B and columns of the result.</param>
    /// <param name="k">Columns of A and B.</param>
    /// <param name="budget">How long to measure; a fifth of a second if not given.</param>
    /// <returns>Seconds.</returns>
    public static double Measure(Device device, DType dtype, long m, long n, long k, TimeSpan? budget = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        using var scope = new TensorScope();
        var values = new NormalValues();
        Tensor a = values.Tensor([m, k], dtype, device);
        Tensor b = values.Tensor([n, k], dtype, device);
        using var timer = new CudaTimer(device.Context);
        return timer.Median(Calls, Multiply, budget ?? TimeSpan.FromMilliseconds(200));

        void Multiply()
        {
            for (int i = 0; i < Calls; i++)
            {
                MatMul.Linear(a, b).Dispose();
            }
        }
    }

    /// <summary>The median time of <c>C = A Bᵀ</c> in float32 on the CPU, by one backend.</summary>
    /// <param name="backend">What computes it.</param>
    /// <param name="m">Rows of A and of the result.</param>
    /// <param name="n">Rows of B and columns of the result.</param>
    /// <param name="k">Columns of A and B.</param>
    /// <param name="budget">How long to measure; a fifth of a second if not given.</param>
    /// <returns>Seconds.</returns>
    /// <exception cref="DynConvException">The backend is not on this machine.</exception>
    public static unsafe double Measure(BlasBackend backend, long m, long n, long k, TimeSpan? budget = null)
    {
        Blas.Require(backend);
        using var scope = new TensorScope();
        var values = new NormalValues();
        Tensor a = values.Tensor([m, k], DType.Float32, Device.Cpu);
        Tensor b = values.Tensor([n, k], DType.Float32, Device.Cpu);
        Tensor c = Tensor.Zeros([m, n]);
        return Stopwatches.Median(Multiply, budget ?? TimeSpan.FromMilliseconds(200));

        void Multiply() => Gemm.Multiply(backend, new GemmProblem(
            m, n, k, new GemmOperand(a.Float(), k), new GemmOperand(b.Float(), k, transposed: true), c.Float(), n, accumulate: false));
    }
}
