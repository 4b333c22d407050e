using System.Text;
using DynConv.Cpu;

namespace DynConv.Modules;

/// <summary>
/// A stream of random numbers that is the same on every machine and version (SplitMix64, Steele et al. 2014).
/// </summary>
/// <param name="seed">Streams of different seeds are unrelated.</param>
public sealed class RandomSource(ulong seed)
{
    private const ulong Increment = 0x9E3779B97F4A7C15;
    private ulong _state = Mix(seed);

    /// <summary>An unrelated stream that depends on the seed and <paramref name="name"/> alone: one for each parameter.</summary>
    /// <param name="name">Any text.</param>
    public RandomSource Fork(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        ulong hash = seed ^ 0xCBF29CE484222325;
        foreach (byte b in Encoding.UTF8.GetBytes(name))
        {
            hash = (hash ^ b) * 0x100000001B3;
        }

        return new RandomSource(Mix(hash));
    }

    /// <summary>64 random bits.</summary>
    public ulong NextUInt64() => Mix(_state += Increment);

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Standard normal (Box and Muller).</summary>
    public double NextNormal() =>
        Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());

    /// <summary>A tensor of normal numbers with mean 0.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="standardDeviation">Their spread.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public Tensor Normal(Shape shape, double standardDeviation, Device? device = null) =>
        Draw(shape, device, numbersEach: 2, source => (float)(source.NextNormal() * standardDeviation));

    /// <summary>A tensor of numbers uniform in ±<paramref name="bound"/>.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="bound">The largest magnitude.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public Tensor Uniform(Shape shape, double bound, Device? device = null) =>
        Draw(shape, device, numbersEach: 1, source => (float)(((2 * source.NextDouble()) - 1) * bound));

    // The stream's place after any count of numbers is known, so that threads can share the work and draw the same.
    private Tensor Draw(Shape shape, Device? device, int numbersEach, Func<RandomSource, float> next)
    {
        const int ElementsAtOnce = 1 << 14;
        var values = new float[shape.Count];
        Workers.ForRange(values.Length, ElementsAtOnce, (start, end) =>
        {
            RandomSource source = After(start * numbersEach);
            for (long i = start; i < end; i++)
            {
                values[i] = next(source);
            }
        });
        _state = After(shape.Count * numbersEach)._state;
        return Tensor.From(values, shape, device);
    }

    private RandomSource After(long numbers) => new(seed) { _state = _state + (Increment * (ulong)numbers) };

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
