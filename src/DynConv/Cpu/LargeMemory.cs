using System.Runtime.InteropServices;

namespace DynConv.Cpu;

/// <summary>
/// Memory from the operating system, aligned for vectors. Of a large piece Linux is asked for pages of 2 MiB: with those of
/// 4 KiB a processor looks up addresses for a tenth of the time of a training step (Xeon with AVX-512, two threads).
/// </summary>
internal static unsafe partial class LargeMemory
{
    private const nuint VectorAlignment = 64;
    private const nuint LargePage = 2 << 20;
    private const nuint Large = 2 * LargePage;
    private const int AdviseHugePages = 14;

    /// <summary>Takes memory.</summary>
    /// <exception cref="OutOfMemoryException">There is not enough.</exception>
    public static void* Allocate(nuint bytes)
    {
        if (bytes < Large || !OperatingSystem.IsLinux())
        {
            return NativeMemory.AlignedAlloc(bytes, VectorAlignment);
        }

        // Where the kernel has no such pages the advice fails, and the memory is as good as any.
        void* memory = NativeMemory.AlignedAlloc(bytes, LargePage);
        _ = Advise(memory, bytes, AdviseHugePages);
        return memory;
    }

    /// <summary>Gives memory back; null is nothing.</summary>
    public static void Free(void* memory) => NativeMemory.AlignedFree(memory);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
