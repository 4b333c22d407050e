using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>
/// One card as this process uses it: its driver context, the one stream that all work is queued on, and what is loaded.
/// </summary>
internal sealed unsafe class CudaContext
{
    private const int OldestArchitecture = 80;
    private const uint NonBlockingStream = 1;
    private const int CounterBytes = 16;

    // Kernels wait for earlier launches by themselves from compute capability 9.0 on; CUDA graphs know it since 12.3.
    private const int OldestOverlappingArchitecture = 90;
    private const int OldestOverlappingDriver = 12030;

    [ThreadStatic]
    private static nint _current;

    [ThreadStatic]
    private static (CudaContext Context, Dictionary<string, Task> Kernels, IReadOnlySet<string> Loaded)? _plan;

    private readonly nint _context;
    private readonly Lazy<CudaMatMul> _matMul;
    private readonly PinnedUploads _uploads;

    private CudaContext(int index, int device)
    {
        Index = index;
        Name = ReadName(device);
        Architecture = ReadArchitecture(device);
        if (Architecture < OldestArchitecture)
        {
            throw new DynConvException(
                $"{Name} has compute capability {Capability(Architecture)}; {OldestCapability} or newer is needed. Use --device cpu.");
        }

        LaunchesOverlap = Architecture >= OldestOverlappingArchitecture && ReadDriverVersion() >= OldestOverlappingDriver;
        TotalBytes = ReadMemory(device);
        Multiprocessors = Ask(device, CudaDeviceAttribute.MultiprocessorCount);
        L2Bytes = Ask(device, CudaDeviceAttribute.L2CacheSize);
        MaximumSharedBytes = Ask(device, CudaDeviceAttribute.MaximumSharedBytesPerBlock);
        nint context;
        CudaDriver.Check(CudaDriver.cuDevicePrimaryCtxRetain(&context, device), $"opening {Name}");
        _context = context;
        MakeCurrent();
        nint stream;
        CudaDriver.Check(CudaDriver.cuStreamCreate(&stream, NonBlockingStream), "making a stream");
        Stream = stream;
        Kernels = new KernelLoader(this);
        Reads = new PinnedReads(this);
        _uploads = new PinnedUploads(this);
        nint counter;
        CudaDriver.Check(CudaDriver.cuMemAlloc_v2(&counter, CounterBytes), "making a counter");
        WorkCounter = counter;
        Fill(counter, 0, CounterBytes);
        _matMul = new Lazy<CudaMatMul>(() => new CudaMatMul(this, new AlgorithmSearch(new KernelDiskCache(KernelDiskCache.DefaultFolder))));
    }

    /// <summary>Whether each launch is waited for and checked at once, so that a failure names its kernel: <c>DYNCONV_CUDA_SYNC=1</c>.</summary>
    public static bool Synchronous { get; set; } = Environment.GetEnvironmentVariable("DYNCONV_CUDA_SYNC") == "1";

    public int Index { get; }

    /// <summary>As in <c>NVIDIA H200</c>.</summary>
    public string Name { get; }

    /// <summary>Compute capability without its dot: 80, 90.</summary>
    public int Architecture { get; }

    /// <summary>What the compiler is asked for; sm_90a has Hopper's own instructions.</summary>
    public string CompilerTarget => Architecture == 90 ? "90a" : $"{Architecture}";

    /// <summary>Whether a launch may take its place on the card while the one before it ends.</summary>
    public bool LaunchesOverlap { get; }

    public int Multiprocessors { get; }

    public long L2Bytes { get; }

    public long TotalBytes { get; }

    /// <summary>The most dynamic shared memory that a block can ask for.</summary>
    public int MaximumSharedBytes { get; }

    /// <summary>All work of the device is queued here, in order.</summary>
    public nint Stream { get; }

    public KernelLoader Kernels { get; }

    /// <summary>Numbers on their way to the host.</summary>
    public PinnedReads Reads { get; }

    /// <summary>Address of a number by which blocks of a launch share out work: 0 before a launch, and 0 again after it.</summary>
    public nint WorkCounter { get; }

    public CudaMatMul MatrixProducts => _matMul.Value;

    /// <summary>Whether the calling thread's ops only say which kernels they need.</summary>
    public bool IsPlanning => _plan?.Context == this;

    /// <summary>Whether what is queued is recorded: nothing may wait for the card.</summary>
    public bool IsRecording { get; set; }

    /// <summary>Takes the time of each kernel; null for none.</summary>
    public LaunchTimes? Times { get; set; }

    /// <summary>Where what is recorded to run between other work goes to; null if nothing of that kind is recorded.</summary>
    public Recording? Recording { get; set; }

    /// <summary>Kernels queued so far, cuBLASLt's products among them.</summary>
    public long Launches { get; private set; }

    /// <summary>Bytes free on the card now, whoever uses the rest.</summary>
    public long FreeBytes
    {
        get
        {
            nuint free;
            nuint total;
            MakeCurrent();
            CudaDriver.Check(CudaDriver.cuMemGetInfo_v2(&free, &total), "asking for free memory");
            return (long)free;
        }
    }

    /// <summary>The oldest compute capability that kernels are written for.</summary>
    public static string OldestCapability => Capability(OldestArchitecture);

    /// <summary>The driver's newest CUDA version, as in <c>13.0</c>.</summary>
    public static string DriverVersion
    {
        get
        {
            int version = ReadDriverVersion();
            return $"{version / 1000}.{version % 1000 / 10}";
        }
    }

    /// <summary>How many cards there are; and if none of them can be used, why.</summary>
    public static int Count(out string? reason)
    {
        int count = 0;
        reason = Missing(CudaLibraries.Driver, "the NVIDIA driver");
        if (reason is null)
        {
            int status = CudaDriver.cuInit(0);
            status = status == CudaDriver.Success ? CudaDriver.cuDeviceGetCount(&count) : status;
            reason = status != CudaDriver.Success ? $"the NVIDIA driver says: {CudaDriver.Describe(status)}"
                : count == 0 ? "the NVIDIA driver finds no card"
                : null;
        }

        reason ??= Missing(CudaLibraries.Nvrtc, FromToolkit("NVRTC", "cuda-nvrtc"))
            ?? Missing(CudaLibraries.CublasLt, FromToolkit("cuBLAS", "libcublas"));
        return count;
    }

    /// <summary>What the driver says of a card, without opening it; there are <see cref="Count"/>.</summary>
    public static CudaCard Describe(int index)
    {
        int device = Find(index);
        int architecture = ReadArchitecture(device);
        return new CudaCard(
            index,
            ReadName(device),
            Capability(architecture),
            ReadMemory(device),
            Ask(device, CudaDeviceAttribute.MultiprocessorCount),
            architecture >= OldestArchitecture);
    }

    /// <summary>Opens a card; there are <see cref="Count"/>.</summary>
    public static CudaContext Open(int index) => new(index, Find(index));

    /// <summary>Ties the calling thread to this card.</summary>
    public void MakeCurrent()
    {
        if (_current != _context)
        {
            CudaDriver.Check(CudaDriver.cuCtxSetCurrent(_context), $"choosing {Name}");
            _current = _context;
        }
    }

    /// <summary>Waits until everything queued so far is done.</summary>
    public void Synchronize()
    {
        RefuseRecording("a wait for the card");
        MakeCurrent();
        CudaDriver.Check(CudaDriver.cuStreamSynchronize(Stream), "work on the card");
    }

    /// <summary>Copies from the host; <paramref name="from"/> may be reused when this returns.</summary>
    public void Upload(void* from, nint to, long bytes)
    {
        if (bytes > 0)
        {
            RefuseRecording("a copy from the host");
            MakeCurrent();
            _uploads.Copy((byte*)from, to, bytes);
        }
    }

    /// <summary>Copies to the host, after everything queued so far.</summary>
    public void Download(nint from, void* to, long bytes)
    {
        if (bytes > 0)
        {
            MakeCurrent();
            CudaDriver.Check(CudaDriver.cuMemcpyDtoHAsync_v2(to, from, (nuint)bytes, Stream), "a copy from the card");
        }

        Synchronize();
    }

    /// <summary>Copies from one place on the card to another, in the order of the stream.</summary>
    public void Copy(nint from, nint to, long bytes)
    {
        MakeCurrent();
        CudaDriver.Check(CudaDriver.cuMemcpyDtoDAsync_v2(to, from, (nuint)bytes, Stream), "a copy on the card");
    }

    /// <summary>Sets bytes, in the order of the stream.</summary>
    public void Fill(nint to, byte value, long bytes)
    {
        MakeCurrent();
        CudaDriver.Check(CudaDriver.cuMemsetD8Async(to, value, (nuint)bytes, Stream), "filling memory");
    }

    /// <summary>
    /// Compiles, all at once on all cores, the kernels that some work will need. The ops in <paramref name="work"/> run
    /// without computing anything: results are undefined, and nothing they would overwrite changes.
    /// </summary>
    /// <returns>How many kernels were needed that this process did not have yet.</returns>
    public int Prepare(Action work)
    {
        var plan = new Dictionary<string, Task>();
        _plan = (this, plan, Kernels.Loaded());
        try
        {
            work();
        }
        finally
        {
            _plan = null;

            // However this ends, no compiler may be at work still when a process does that gives up because of it.
            Task.WhenAll(plan.Values).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
        }

        // One failure is enough to know of, and it is known by its own message.
        Task.WhenAll(plan.Values).GetAwaiter().GetResult();
        return plan.Count;
    }

    /// <summary>Throws if what runs is recorded: a later run would have the host's part of this one.</summary>
    internal void RefuseRecording(string what)
    {
        if (Recording is not null)
        {
            throw new DynConvException($"Work on a card that is recorded and run again has no place for {what}.");
        }
    }

    internal CudaKernel Plan(KernelRequest request)
    {
        string key = $"{request.File} {request.EntryPoint} {string.Join(' ', request.Macros)}";
        Dictionary<string, Task> plan = _plan!.Value.Kernels;
        if (!plan.ContainsKey(key) && !_plan.Value.Loaded.Contains(Kernels.KeyOf(request)))
        {
            plan[key] = Task.Run(() => Kernels.Load(request));
        }

        return new CudaKernel(this, 0, request.EntryPoint);
    }

    /// <summary>To be called when a kernel is about to be queued.</summary>
    internal void BeforeLaunch()
    {
        if (!IsRecording)
        {
            Times?.Begin();
        }
    }

    /// <summary>Counts a kernel and, where launches are checked one by one, waits for it.</summary>
    internal void AfterLaunch(string name)
    {
        Launches++;
        if (!IsRecording)
        {
            Times?.End(name);
        }

        if (Synchronous && !IsRecording)
        {
            CudaDriver.Check(CudaDriver.cuStreamSynchronize(Stream), $"the kernel {name}");
        }
    }

    private static string? Missing(string library, string package) => CudaLibraries.TryLoad(library, out _)
        ? null
        : $"{CudaLibraries.FileName(library)} was not found; install {package}";

    private static string FromToolkit(string part, string package)
    {
        int toolkit = CudaLibraries.NewestToolkit();
        return $"{part} of the CUDA toolkit {toolkit} (Debian, Ubuntu: {package}-{toolkit}-0)";
    }

    private static int Find(int index)
    {
        int device;
        CudaDriver.Check(CudaDriver.cuDeviceGet(&device, index), $"finding card {index}");
        return device;
    }

    private static int ReadDriverVersion()
    {
        int version;
        CudaDriver.Check(CudaDriver.cuDriverGetVersion(&version), "asking for the driver's version");
        return version;
    }

    private static string ReadName(int device)
    {
        byte* name = stackalloc byte[256];
        CudaDriver.Check(CudaDriver.cuDeviceGetName(name, 256, device), "asking for a card's name");
        return Marshal.PtrToStringUTF8((nint)name)!;
    }

    private static int ReadArchitecture(int device) =>
        (10 * Ask(device, CudaDeviceAttribute.ComputeCapabilityMajor)) + Ask(device, CudaDeviceAttribute.ComputeCapabilityMinor);

    private static long ReadMemory(int device)
    {
        nuint total;
        CudaDriver.Check(CudaDriver.cuDeviceTotalMem_v2(&total, device), "asking for the memory");
        return (long)total;
    }

    private static string Capability(int architecture) => $"{architecture / 10}.{architecture % 10}";

    private static int Ask(int device, CudaDeviceAttribute attribute)
    {
        int value;
        CudaDriver.Check(CudaDriver.cuDeviceGetAttribute(&value, attribute, device), $"asking for {attribute}");
        return value;
    }
}
