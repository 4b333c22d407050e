namespace DynConv.Tests;

/// <summary>The card that tests of whole models run on.</summary>
public static class Card
{
    /// <summary>The first card; skips the test where there is none.</summary>
    public static Device OrSkip()
    {
        Assert.SkipUnless(Device.TryCuda(out Device? card, out string? reason), reason ?? "There is no card.");
        return card!;
    }
}
