namespace DynConv.Training.Data;

/// <summary>
/// A pseudo-random order of the numbers in [0, <see cref="Count"/>) that is computed and not stored: a Feistel network
/// over the next power of four, applied again while its result lies outside (cycle walking; Black and Rogaway, "Ciphers
/// with arbitrary finite domains", 2002).
/// </summary>
internal readonly struct RandomPermutation
{
    private const int Rounds = 6;

    private readonly ulong _key;
    private readonly int _halfBits;

    public RandomPermutation(long count, ulong key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        _key = key;
        int bits = 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)(count - 1));
        _halfBits = Math.Max(1, (bits + 1) / 2);
    }

    public long Count { get; }

    /// <summary>The number at place <paramref name="index"/>.</summary>
    public long this[long index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            ulong value = (ulong)index;
            do
            {
                value = Encrypt(value);
            }
            while (value >= (ulong)Count);

            return (long)value;
        }
    }

    /// <summary>Scrambles 64 bits (SplitMix64's finalizer; Steele, Lea and Flood, 2014).</summary>
    public static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private ulong Encrypt(ulong value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = value >> _halfBits;
        ulong right = value & mask;
        for (uint round = 0; round < Rounds; round++)
        {
            (left, right) = (right, left ^ (Mix(_key ^ Mix((right * Rounds) + round)) & mask));
        }

        return (left << _halfBits) | right;
    }
}
