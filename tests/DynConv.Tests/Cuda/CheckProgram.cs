using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Tests.Cuda;

/// <summary>The emulator's own kernels, <c>tests/CudaEmulator/check.cu</c>, compiled and loaded.</summary>
internal sealed unsafe class CheckProgram
{
    private readonly CudaContext _context;
    private readonly nint _module;

    public CheckProgram(Device device, params string[] options)
    {
        _context = device.Context;
        _context.MakeCurrent();
        nint module;
        fixed (byte* image = Compile(options))
        {
            CudaDriver.Check(CudaDriver.cuModuleLoadData(&module, image), "loading check.cu");
        }

        _module = module;
    }

    public CudaKernel Kernel(string name)
    {
        nint function;
        CudaDriver.Check(CudaDriver.cuModuleGetFunction(&function, _module, name), $"finding {name}");
        return new CudaKernel(_context, function, name);
    }

    /// <summary>The machine code, or what the compiler says, as an exception.</summary>
    public static byte[] Compile(params string[] options)
    {
        string source = File.ReadAllText(Path.Combine(CudaEmulator.SourceFolder, "check.cu"));
        using var texts = new Utf8Array([source, "check.cu"]);
        using var headers = new Utf8Array([.. KernelSources.Headers.Select(header => header.Value)]);
        using var names = new Utf8Array([.. KernelSources.Headers.Select(header => header.Key)]);
        using var choices = new Utf8Array(options);
        nint program;
        _ = Nvrtc.nvrtcCreateProgram(&program, texts.Items[0], texts.Items[1], names.Count, headers.Items, names.Items);
        int status = Nvrtc.nvrtcCompileProgram(program, choices.Count, choices.Items);
        nuint size;
        _ = status == 0 ? Nvrtc.nvrtcGetCUBINSize(program, &size) : Nvrtc.nvrtcGetProgramLogSize(program, &size);
        var result = new byte[size];
        fixed (byte* to = result)
        {
            _ = status == 0 ? Nvrtc.nvrtcGetCUBIN(program, to) : Nvrtc.nvrtcGetProgramLog(program, to);
        }

        _ = Nvrtc.nvrtcDestroyProgram(&program);
        return status == 0 ? result : throw new DynConvException(System.Text.Encoding.UTF8.GetString(result));
    }

    private sealed class Utf8Array(IReadOnlyList<string> texts) : IDisposable
    {
        private readonly nint[] _texts = [.. texts.Select(Marshal.StringToCoTaskMemUTF8)];
        private readonly byte** _items = (byte**)NativeMemory.Alloc((nuint)Math.Max(1, texts.Count), (nuint)sizeof(byte*));

        public int Count => _texts.Length;

        public byte** Items
        {
            get
            {
                for (int i = 0; i < _texts.Length; i++)
                {
                    _items[i] = (byte*)_texts[i];
                }

                return _items;
            }
        }

        public void Dispose()
        {
            NativeMemory.Free(_items);
            foreach (nint text in _texts)
            {
                Marshal.FreeCoTaskMem(text);
            }
        }
    }
}
