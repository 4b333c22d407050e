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
