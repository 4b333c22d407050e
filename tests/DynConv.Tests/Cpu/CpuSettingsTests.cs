using System.Collections.Concurrent;
using DynConv.Cpu;
using DynConv.Ops;

namespace DynConv.Tests.Cpu;

/// <summary>A limit of threads is one thread's, for a stretch of its code.</summary>
public sealed class CpuSettingsTests
{
    [Fact]
    public void Limits_nest_and_end_where_they_began()
    {
        int all = CpuSettings.Threads;
        using (CpuSettings.LimitThreads(1))
        {
            Assert.Equal(1, CpuSettings.Threads);
            using (CpuSettings.LimitThreads(all + 3))
            {
                Assert.Equal(all + 3, CpuSettings.Threads);
            }

            Assert.Equal(1, CpuSettings.Threads);
        }

        Assert.Equal(all, CpuSettings.Threads);
    }

    [Fact]
    public void A_limit_ends_once()
    {
        using IDisposable outer = CpuSettings.LimitThreads(2);
        IDisposable ended = CpuSettings.LimitThreads(3);
        ended.Dispose();
        using IDisposable inner = CpuSettings.LimitThreads(4);
        ended.Dispose();
        Assert.Equal(4, CpuSettings.Threads);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Fewer_threads_than_one_are_refused(int count)
    {
        int before = CpuSettings.Threads;
        Assert.Throws<ArgumentOutOfRangeException>(() => CpuSettings.LimitThreads(count));
        Assert.Equal(before, CpuSettings.Threads);
    }

    [Fact]
    public void Other_threads_do_not_notice()
    {
        int all = CpuSettings.Threads;
        using IDisposable limit = CpuSettings.LimitThreads(all + 1);
        int seen = 0;
        int limited = 0;
        var other = new Thread(() =>
        {
            seen = CpuSettings.Threads;
            using IDisposable own = CpuSettings.LimitThreads(all + 2);
            limited = CpuSettings.Threads;
        });
        other.Start();
        other.Join();
        Assert.Equal(all, seen);
        Assert.Equal(all + 2, limited);
        Assert.Equal(all + 1, CpuSettings.Threads);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Work_has_so_many_threads_at_most(int count)
    {
        // The helpers of a larger job may still be awake when a smaller one comes.
        using (CpuSettings.LimitThreads(8))
        {
            Workers.For(64, static _ => Thread.SpinWait(100));
        }

        using IDisposable limit = CpuSettings.LimitThreads(count);
        var threads = new ConcurrentDictionary<int, bool>();
        Workers.For(256, _ =>
        {
            threads[Environment.CurrentManagedThreadId] = true;
            Thread.SpinWait(1000);
        });
        Assert.InRange(threads.Count, 1, count);
        Assert.True(threads.ContainsKey(Environment.CurrentManagedThreadId) || count > 1);
    }

    [Fact]
    public void Threads_with_limits_of_their_own_compute_side_by_side_what_one_computes_alone()
    {
        float[] values = [.. Enumerable.Range(0, 96 * 512).Select(i => MathF.Sin(i))];
        float[] alone = Product(1);
        var results = new float[4][];
        Thread[] threads = [.. Enumerable.Range(0, results.Length).Select(i => new Thread(() => results[i] = Product(i + 1)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.All(results, result => Assert.Equal(alone, result));

        float[] Product(int limit)
        {
            using IDisposable held = CpuSettings.LimitThreads(limit);
            using var scope = new TensorScope();
            Tensor x = Tensor.From(values, [96, 512]);
            return MatMul.Linear(x, x).ToArray<float>();
        }
    }
}
