namespace DynConv.Cpu;

/// <summary>
/// The threads that CPU kernels run on. A kernel splits its work into blocks whose number and bounds depend on the
/// shapes alone; which thread computes a block is left to chance, so results do not depend on the thread count.
/// </summary>
internal static class Workers
{
    // A worker that finds no work spins this long before it sleeps: waking a sleeping thread costs more than most ops.
    private const int SpinIterations = 2000;

    private static readonly Lock Gate = new();
    private static readonly SemaphoreSlim Wake = new(0);
    private static int _default;
    private static int _started;
    private static volatile Job? _job;

    [ThreadStatic]
    private static bool _inside;

    // 0 for none.
    [ThreadStatic]
    private static int _limit;

    /// <summary>
    /// Threads that take part in what the calling thread asks for, itself included: its innermost limit or, without one, what
    /// the environment variable <c>DYNCONV_THREADS</c> says, or all cores.
    /// </summary>
    /// <exception cref="DynConvException">The variable says something else than a number.</exception>
    public static int Count => _limit > 0 ? _limit : _default > 0 ? _default : _default = Default();

    /// <summary>Sets <see cref="Count"/> for the calling thread, until the result is disposed on it.</summary>
    public static IDisposable Limit(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return new CountLimit(count);
    }

    private static int Default()
    {
        string? asked = Environment.GetEnvironmentVariable("DYNCONV_THREADS");
        if (string.IsNullOrEmpty(asked))
        {
            return Environment.ProcessorCount;
        }

        return int.TryParse(asked, out int count) && count >= 1
            ? count
            : throw new DynConvException($"DYNCONV_THREADS is '{asked}'; use a whole number from 1.");
    }

    /// <summary>
    /// Calls <paramref name="body"/> with every block number in [0, <paramref name="blocks"/>) and returns when all
    /// are done. Inside a body a nested call runs on its own thread alone. The first exception is thrown again.
    /// </summary>
    public static void For(long blocks, Action<long> body)
    {
        if (blocks <= 0)
        {
            return;
        }

        int threads = (int)Math.Min(Count, blocks);
        if (threads == 1 || _inside || !Gate.TryEnter())
        {
            for (long block = 0; block < blocks; block++)
            {
                body(block);
            }

            return;
        }

        try
        {
            EnsureStarted(threads - 1);
            var job = new Job(blocks, body, helpers: threads - 1);
            _job = job;
            Wake.Release(threads - 1);
            _inside = true;
            job.Work();
            _inside = false;
            _job = null;
            job.WaitForHelpers();
            job.ThrowIfFailed();
        }
        finally
        {
            _inside = false;
            Gate.Exit();
        }
    }

    /// <summary>
    /// Splits [0, <paramref name="length"/>) into blocks of <paramref name="grain"/> and calls
    /// <paramref name="body"/> with the start and end of each.
    /// </summary>
    public static void ForRange(long length, long grain, Action<long, long> body) =>
        For((length + grain - 1) / grain, block => body(block * grain, Math.Min(length, (block + 1) * grain)));

    private static void EnsureStarted(int helpers)
    {
        for (; _started < helpers; _started++)
        {
            new Thread(Loop) { IsBackground = true, Name = $"dynconv-{_started + 1}" }.Start();
        }
    }

    private static void Loop()
    {
        _inside = true;
        while (true)
        {
            int spins = 0;
            while (!Wake.Wait(0))
            {
                if (++spins > SpinIterations)
                {
                    Wake.Wait();
                    break;
                }

                Thread.SpinWait(20);
            }

            _job?.Help();
        }
    }

    private sealed class CountLimit : IDisposable
    {
        private readonly int _outer = _limit;
        private bool _disposed;

        public CountLimit(int count) => _limit = count;

        public void Dispose()
        {
            if (!_disposed)
            {
                _disposed = true;
                _limit = _outer;
            }
        }
    }

    private sealed class Job(long blocks, Action<long> body, int helpers)
    {
        private readonly long _blocks = blocks;
        private readonly Action<long> _body = body;
        private int _seats = helpers;
        private int _active;
        private long _next;
        private Exception? _failure;

        /// <summary>Takes a seat if one is free; a job never waits for a helper that comes after it is done.</summary>
        public void Help()
        {
            Interlocked.Increment(ref _active);
            if (Interlocked.Decrement(ref _seats) >= 0)
            {
                Work();
            }

            Interlocked.Decrement(ref _active);
        }

        public void Work()
        {
            try
            {
                long block;
                while ((block = Interlocked.Increment(ref _next) - 1) < _blocks)
                {
                    _body(block);
                }
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
                Interlocked.Exchange(ref _next, _blocks);
            }
        }

        public void WaitForHelpers()
        {
            var spinner = default(SpinWait);
            while (Volatile.Read(ref _active) != 0)
            {
                spinner.SpinOnce(sleep1Threshold: -1);
            }
        }

        public void ThrowIfFailed()
        {
            if (_failure is not null)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
            }
        }
    }
}
