using System.Runtime.InteropServices;
using System.Text;

namespace DynConv.Cuda;

/// <summary>Turns kernel sources into machine code with NVRTC.</summary>
internal static unsafe class KernelCompiler
{
    /// <summary>Version of the compiler, as in <c>13.0</c>.</summary>
    public static string Version
    {
        get
        {
            int major;
            int minor;
            Check(Nvrtc.nvrtcVersion(&major, &minor), "asking for its version");
            return $"{major}.{minor}";
        }
    }

    /// <summary>What the compiler is called with; part of what names a cached result.</summary>
    public static string[] Options(KernelRequest request, string target) =>
    [
        $"--gpu-architecture=sm_{target}",
        "--std=c++17",
        "--restrict",
        "--extra-device-vectorization",

        // Lambdas of kernels carry no mark of their own.
        "--device-as-default-execution-space",
        .. request.Macros.Select(macro => $"-D{macro.Name}={macro.Value}"),
    ];

    /// <summary>Compiles a kernel's file.</summary>
    /// <returns>The machine code, as the driver loads it.</returns>
    public static byte[] Compile(KernelRequest request, string[] options)
    {
        using var strings = new NativeStrings();
        KeyValuePair<string, string>[] headers = [.. KernelSources.Headers];
        byte** headerTexts = strings.Array([.. headers.Select(header => header.Value)]);
        byte** headerNames = strings.Array([.. headers.Select(header => header.Key)]);
        nint program;
        Check(
            Nvrtc.nvrtcCreateProgram(
                &program, strings.One(KernelSources.Text(request.File)), strings.One(request.File), headers.Length, headerTexts, headerNames),
            $"reading {request.File}");
        try
        {
            int status = Nvrtc.nvrtcCompileProgram(program, options.Length, strings.Array(options));
            if (status != 0)
            {
                throw new DynConvException(
                    $"The CUDA compiler refused {request.File} ({string.Join(' ', options)}): {Log(program)}");
            }

            nuint size;
            Check(Nvrtc.nvrtcGetCUBINSize(program, &size), "asking for the code's size");
            var code = new byte[size];
            fixed (byte* to = code)
            {
                Check(Nvrtc.nvrtcGetCUBIN(program, to), "asking for the code");
            }

            return code;
        }
        finally
        {
            _ = Nvrtc.nvrtcDestroyProgram(&program);
        }
    }

    private static string Log(nint program)
    {
        nuint size;
        if (Nvrtc.nvrtcGetProgramLogSize(program, &size) != 0 || size == 0)
        {
            return "it left no message.";
        }

        var log = new byte[size];
        fixed (byte* to = log)
        {
            _ = Nvrtc.nvrtcGetProgramLog(program, to);
        }

        return Encoding.UTF8.GetString(log).TrimEnd('\0', '\n');
    }

    private static void Check(int status, string what)
    {
        if (status != 0)
        {
            throw new DynConvException(
                $"NVRTC: {what} failed: {Marshal.PtrToStringUTF8((nint)Nvrtc.nvrtcGetErrorString(status))}.");
        }
    }

    private sealed class NativeStrings : IDisposable
    {
        private readonly List<nint> _memory = [];

        public byte* One(string text)
        {
            _memory.Add(Marshal.StringToCoTaskMemUTF8(text));
            return (byte*)_memory[^1];
        }

        public byte** Array(string[] texts)
        {
            nint array = Marshal.AllocCoTaskMem(Math.Max(1, texts.Length) * sizeof(nint));
            _memory.Add(array);
            for (int i = 0; i < texts.Length; i++)
            {
                ((byte**)array)[i] = One(texts[i]);
            }

            return (byte**)array;
        }

        public void Dispose()
        {
            foreach (nint memory in _memory)
            {
                Marshal.FreeCoTaskMem(memory);
            }
        }
    }
}
