namespace DynConv.Models;

/// <summary>Checks of numbers in configurations, by the names that files give them.</summary>
internal static class Require
{
    public static void AtLeastOne(string name, int value)
    {
        if (value < 1)
        {
            throw new DynConvException($"{name} is {value}; it has to be at least 1.");
        }
    }
}
