using System.Collections.Concurrent;

namespace DynConv.Cuda;

/// <summary>A table of kernels, as tests and tools see it.</summary>
internal interface IKernelTable
{
    /// <summary>Name of the source file, as in <c>swiglu.cu</c>.</summary>
    string File { get; }

    /// <summary>Name of the <c>__global__</c> function.</summary>
    string EntryPoint { get; }

    /// <summary>Macros of the specialisations that machines without a GPU compile.</summary>
    IReadOnlyList<IReadOnlyList<(string Name, string Value)>> Examples { get; }
}

/// <summary>
/// The specialisations of one kernel: each key stands for a set of macros. One is compiled when it is first asked for.
/// </summary>
/// <typeparam name="TKey">What a specialisation depends on: dtypes, widths, flags.</typeparam>
internal sealed class KernelTable<TKey> : IKernelTable
    where TKey : notnull
{
    private readonly Func<TKey, (string Name, object Value)[]> _macros;
    private readonly TKey[] _examples;
    private readonly ConcurrentDictionary<(CudaContext, TKey), CudaKernel> _kernels = new();

    /// <param name="file">Source file; file names are unique in the project.</param>
    /// <param name="entryPoint">The <c>extern "C" __global__</c> function in it.</param>
    /// <param name="macros">What a key defines for the compiler.</param>
    /// <param name="examples">Keys that between them reach every path of the source.</param>
    public KernelTable(
        string file, string entryPoint, Func<TKey, (string Name, object Value)[]> macros, params TKey[] examples)
    {
        File = file;
        EntryPoint = entryPoint;
        _macros = macros;
        _examples = examples;
    }

    public string File { get; }

    public string EntryPoint { get; }

    public IReadOnlyList<IReadOnlyList<(string Name, string Value)>> Examples => [.. _examples.Select(Macros)];

    /// <summary>The kernel of a key on a device.</summary>
    public CudaKernel this[Device device, TKey key]
    {
        get
        {
            CudaContext context = device.Context;
            if (_kernels.TryGetValue((context, key), out CudaKernel? kernel))
            {
                return kernel;
            }

            KernelRequest request = new(File, EntryPoint, Macros(key));
            return context.IsPlanning
                ? context.Plan(request)
                : _kernels.GetOrAdd((context, key), _ => context.Kernels.Load(request));
        }
    }

    private (string Name, string Value)[] Macros(TKey key) =>
        [.. _macros(key).Select(macro => (macro.Name, Convert.ToString(macro.Value)!))];
}

/// <summary>A kernel to compile.</summary>
/// <param name="File">Source file.</param>
/// <param name="EntryPoint">Function in it.</param>
/// <param name="Macros">Definitions for the compiler.</param>
internal sealed record KernelRequest(string File, string EntryPoint, (string Name, string Value)[] Macros);
