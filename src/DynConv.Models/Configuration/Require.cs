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

    /// <summary>A number of channels that a machine could hold: a slip in a file is not to fill the memory.</summary>
    public static void Channels(string name, long value)
    {
        const int Most = 1 << 20;
        if (value is < 1 or > Most)
        {
            throw new DynConvException($"{name} is {value}; it has to be at least 1{(value < 1 ? "" : $", and {Most} at most")}.");
        }
    }

    public static void Divides(string name, int value, string dividedName, int divided)
    {
        if (divided % value != 0)
        {
            throw new DynConvException($"{name} {value} does not divide {dividedName} {divided}.");
        }
    }

    public static void LayerCount(int count)
    {
        const string Name = "num_hidden_layers";
        AtLeastOne(Name, count);
        if (count > LayerConfiguration.MostLayers)
        {
            throw new DynConvException($"{Name} is {count}; it can be {LayerConfiguration.MostLayers} at most.");
        }
    }
}
