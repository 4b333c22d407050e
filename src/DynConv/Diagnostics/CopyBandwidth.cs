using System.Runtime.CompilerServices;
using DynConv.Cpu;
using DynConv.Cuda;

namespace DynConv.Diagnostics;

/// <summary>How fast a device copies memory: the ceiling of every op that does little arithmetic.</summary>
public static unsafe class CopyBandwidth
{
    private const long BlockElements = 1 << 15;
    private const long LargestCardCopy = 512 << 20;
    private const long CardShare = 16;

    private static readonly TimeSpan CardBudget = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Copies two float32 tensors to two others in turn, several times with all threads, through the caches and past
    /// them, and takes the faster way's median. Four tensors are what an op's forward and backward pass work on (x, y, dy,
    /// dx), so that as much of them is found in a cache as the op finds there.
    /// </summary>
    /// <param name="elements">Elements of each tensor.</param>
    /// <param name="budget">How long to measure, about.</param>
    /// <returns>Bytes read and written in a second, in units of 10⁹.</returns>
    public static double Measure(long elements, TimeSpan budget)
    {
        using var scope = new TensorScope();
        Tensor[] tensors = [.. Enumerable.Range(0, 4).Select(_ => Tensor.Zeros([elements]))];
        double seconds = Math.Min(Median(nonTemporal: false), Median(nonTemporal: true));
        return 4 * sizeof(float) * elements / seconds / 1e9;

        double Median(bool nonTemporal) => Stopwatches.Median(
            () =>
            {
                Copy(tensors[0], tensors[1], nonTemporal);
                Copy(tensors[2], tensors[3], nonTemporal);
            },
            budget / 2);
    }

    /// <summary>
    /// Copies a large tensor to another on a GPU, by this library's own kernel and by the driver, and takes the faster
    /// one's median.
    /// </summary>
    /// <param name="device">A GPU.</param>
    /// <returns>Bytes read and written in a second, in units of 10⁹.</returns>
    public static double Measure(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        CudaContext context = device.Context;
        long bytes = Math.Min(LargestCardCopy, context.TotalBytes / CardShare);
        using var scope = new TensorScope();
        Tensor source = new NormalValues().Tensor([bytes / sizeof(float)], DType.Float32, device);
        Tensor destination = Tensor.Empty(source.Shape, DType.Float32, device);
        using var timer = new CudaTimer(context);
        double kernel = timer.Median(1, () => StridedCopy.Copy(source, destination), CardBudget);
        double driver = timer.Median(1, () => context.Copy(source.Address, destination.Address, bytes), CardBudget);
        return 2 * bytes / Math.Min(kernel, driver) / 1e9;
    }

    private static void Copy(Tensor source, Tensor destination, bool nonTemporal)
    {
        float* from = source.Float();
        float* to = destination.Float();
        Workers.ForRange(source.Count, BlockElements, (start, end) =>
            Simd.Run(new CopyKernel(from + start, to + start, end - start, nonTemporal)));
    }

    private readonly struct CopyKernel(float* from, float* to, long count, bool nonTemporal) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long i = 0;
            for (; nonTemporal && i + TSimd.Width <= count; i += TSimd.Width)
            {
                TSimd.StoreNonTemporal(to + i, TSimd.Load(from + i));
            }

            for (; i + TSimd.Width <= count; i += TSimd.Width)
            {
                TSimd.Store(to + i, TSimd.Load(from + i));
            }

            for (; i < count; i++)
            {
                to[i] = from[i];
            }
        }
    }
}
