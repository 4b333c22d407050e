using System.Collections.Concurrent;

namespace DynConv.Cuda;

/// <summary>Compiles kernels for one device, or finds them on disk, and loads them.</summary>
internal sealed unsafe class KernelLoader(CudaContext context)
{
    private readonly KernelDiskCache _cache = new(KernelDiskCache.DefaultFolder);
    private readonly ConcurrentDictionary<string, Lazy<nint>> _modules = new();
    private readonly Lazy<string> _compiler = new(() => KernelCompiler.Version);
    private int _compiled;

    /// <summary>How many sources have gone through the compiler in this process; the others came from disk.</summary>
    public int Compiled => _compiled;

    /// <summary>What has been loaded so far, as <see cref="KeyOf(KernelRequest)"/> names it.</summary>
    public IReadOnlySet<string> Loaded() => _modules.Where(static pair => pair.Value.IsValueCreated).Select(static pair => pair.Key).ToHashSet();

    /// <summary>The name of what a kernel is loaded with.</summary>
    public string KeyOf(KernelRequest request) => KeyOf(request, KernelCompiler.Options(request, context.CompilerTarget));

    /// <summary>Compiles if need be, loads and finds the entry point. Any thread may call it.</summary>
    public CudaKernel Load(KernelRequest request)
    {
        context.MakeCurrent();
        string[] options = KernelCompiler.Options(request, context.CompilerTarget);
        nint module = _modules.GetOrAdd(KeyOf(request, options), _ => new Lazy<nint>(() => LoadModule(request, options))).Value;
        nint function;
        CudaDriver.Check(
            CudaDriver.cuModuleGetFunction(&function, module, request.EntryPoint),
            $"finding {request.EntryPoint} in {request.File}");
        return new CudaKernel(context, function, request.EntryPoint);
    }

    private static string KeyOf(KernelRequest request, string[] options) => $"{request.File} {string.Join(' ', options)}";

    private nint LoadModule(KernelRequest request, string[] options)
    {
        string file = _cache.FileOf(request, options, _compiler.Value);
        if (KernelDiskCache.Read(file) is { } cached && TryLoad(cached, out nint module) == CudaDriver.Success)
        {
            return module;
        }

        byte[] code = KernelCompiler.Compile(request, options);
        Interlocked.Increment(ref _compiled);
        _cache.Write(file, code);
        CudaDriver.Check(TryLoad(code, out module), $"loading {request.File}");
        return module;
    }

    private static int TryLoad(byte[] code, out nint module)
    {
        nint loaded;
        int status;
        fixed (byte* image = code)
        {
            status = CudaDriver.cuModuleLoadData(&loaded, image);
        }

        module = loaded;
        return status;
    }
}
