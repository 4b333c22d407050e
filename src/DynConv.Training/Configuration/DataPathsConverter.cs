using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;
using YamlDotNet.Serialization;

namespace DynConv.Training;

/// <summary>Reads lists of paths, in which <c>{path: a, weight: 0.7}</c> stands for <c>a:0.7</c>.</summary>
internal sealed class DataPathsConverter : IYamlTypeConverter
{
    public bool Accepts(Type type) => type == typeof(List<string>);

    public object? ReadYaml(IParser parser, Type type, ObjectDeserializer rootDeserializer)
    {
        var paths = new List<string>();
        parser.Consume<SequenceStart>();
        while (!parser.TryConsume<SequenceEnd>(out _))
        {
            paths.Add(parser.Current is MappingStart ? Weighted(YamlNodes.Read(parser)) : (string)rootDeserializer(typeof(string))!);
        }

        return paths;
    }

    public void WriteYaml(IEmitter emitter, object? value, Type type, ObjectSerializer serializer) => throw new NotSupportedException();

    private static string Weighted(YamlNode node)
    {
        Dictionary<string, YamlNode> found = YamlNodes.Entries((YamlMappingNode)node).ToDictionary(static entry => entry.Key, static entry => entry.Value);
        if (found.Count != 2 || !found.TryGetValue("path", out YamlNode? path) || !found.TryGetValue("weight", out YamlNode? weight))
        {
            throw YamlNodes.Failure(node, "a text with a weight is written as {path: books/, weight: 0.7}");
        }

        string number = YamlNodes.Text(weight, "a weight");
        return double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value > 0 && double.IsFinite(value)
            ? string.Create(CultureInfo.InvariantCulture, $"{YamlNodes.Text(path, "a path")}:{value}")
            : throw YamlNodes.Failure(weight, $"{YamlReader.Quote(number)} stands where a weight, a number greater than 0, is wanted");
    }
}
