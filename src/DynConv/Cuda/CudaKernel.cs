namespace DynConv.Cuda;

/// <summary>A kernel loaded on a device.</summary>
internal sealed unsafe class CudaKernel
{
    private readonly CudaContext _context;
    private readonly nint _function;
    private readonly string _name;
    private int? _sharedBytes;

    /// <param name="context">The device it is loaded on.</param>
    /// <param name="function">The driver's handle; 0 stands for a kernel that is still being compiled (<see cref="CudaContext.Prepare"/>).</param>
    /// <param name="name">Its entry point.</param>
    public CudaKernel(CudaContext context, nint function, string name)
    {
        _context = context;
        _function = function;
        _name = name;
    }

    public int RegistersPerThread => Attribute(CudaFunctionAttribute.RegistersPerThread);

    /// <summary>Bytes of a thread's spilled registers and arrays in local memory.</summary>
    public int LocalBytes => Attribute(CudaFunctionAttribute.LocalBytes);

    /// <summary>How many blocks run on a multiprocessor at a time.</summary>
    public int MaximumBlocksPerMultiprocessor(int threads, int sharedBytes = 0)
    {
        if (_function == 0)
        {
            return 1;
        }

        _context.MakeCurrent();
        AllowShared(sharedBytes);
        int blocks;
        CudaDriver.Check(
            CudaDriver.cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, _function, threads, (nuint)sharedBytes),
            $"the occupancy of {_name}");
        return blocks;
    }

    /// <summary>How many blocks run on the device at a time.</summary>
    public long ResidentBlocks(int threads, int sharedBytes = 0) =>
        (long)_context.Multiprocessors * MaximumBlocksPerMultiprocessor(threads, sharedBytes);

    /// <summary>Queues the kernel on the device's stream and returns at once.</summary>
    /// <param name="grid">Blocks and threads.</param>
    /// <param name="arguments">In the order of the kernel's parameters, and of their sizes.</param>
    public void Launch(CudaGrid grid, params ReadOnlySpan<KernelArgument> arguments)
    {
        if (_context.IsPlanning)
        {
            return;
        }

        _context.MakeCurrent();
        AllowShared(grid.SharedBytes);
        KernelArgument* copies = stackalloc KernelArgument[arguments.Length];
        void** parameters = stackalloc void*[arguments.Length];
        for (int i = 0; i < arguments.Length; i++)
        {
            copies[i] = arguments[i];
            parameters[i] = KernelArgument.Address(copies + i);
        }

        CudaLaunchAttribute overlap = new() { Id = CudaLaunchAttribute.ProgrammaticStreamSerialization, Value = 1 };
        CudaLaunch launch = new()
        {
            GridX = checked((uint)grid.X),
            GridY = checked((uint)grid.Y),
            GridZ = checked((uint)grid.Z),
            BlockX = (uint)grid.Threads,
            BlockY = 1,
            BlockZ = 1,
            SharedBytes = (uint)grid.SharedBytes,
            Stream = _context.Stream,
            Attributes = &overlap,
            AttributeCount = _context.LaunchesOverlap ? 1u : 0u,
        };
        _context.BeforeLaunch();
        int status = CudaDriver.cuLaunchKernelEx(&launch, _function, parameters, null);
        if (status != CudaDriver.Success)
        {
            CudaDriver.Check(status, $"the launch of {_name} with {grid}");
        }

        _context.AfterLaunch(_name);
    }

    private void AllowShared(int bytes)
    {
        if (bytes == 0)
        {
            return;
        }

        // Static shared memory counts against what a kernel may have without asking.
        _sharedBytes ??= Attribute(CudaFunctionAttribute.MaximumDynamicSharedBytes);
        if (bytes > _sharedBytes)
        {
            CudaDriver.Check(
                CudaDriver.cuFuncSetAttribute(_function, CudaFunctionAttribute.MaximumDynamicSharedBytes, bytes),
                $"asking for {bytes} bytes of shared memory in {_name}");
            _sharedBytes = bytes;
        }
    }

    private int Attribute(CudaFunctionAttribute attribute)
    {
        if (_function == 0)
        {
            return 0;
        }

        _context.MakeCurrent();
        int value;
        CudaDriver.Check(CudaDriver.cuFuncGetAttribute(&value, attribute, _function), $"asking about {_name}");
        return value;
    }
}
