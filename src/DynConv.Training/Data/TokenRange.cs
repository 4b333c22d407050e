namespace DynConv.Training.Data;

/// <summary>Positions from <paramref name="Start"/> up to, but not with, <paramref name="End"/>.</summary>
internal readonly record struct TokenRange(long Start, long End)
{
    public long Length => End - Start;
}
