namespace DynConv.Ops;

/// <summary>A number of taps that the compiler knows, so that loops over taps unroll and windows stay in registers.</summary>
internal interface ITaps
{
    /// <summary>The most taps that one loop combines; wider filters take several loops.</summary>
    const int Most = 4;

    static abstract int Count { get; }
}

internal readonly struct OneTap : ITaps
{
    public static int Count => 1;
}

internal readonly struct TwoTaps : ITaps
{
    public static int Count => 2;
}

internal readonly struct ThreeTaps : ITaps
{
    public static int Count => 3;
}

internal readonly struct FourTaps : ITaps
{
    public static int Count => 4;
}
