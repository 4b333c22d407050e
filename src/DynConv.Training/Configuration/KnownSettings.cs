using System.Runtime.Serialization;
using YamlDotNet.Serialization;

namespace DynConv.Training;

/// <summary>Refuses unknown settings in words of the file and not of the code.</summary>
internal sealed class KnownSettings(ITypeInspector inner) : ITypeInspector
{
    public IEnumerable<IPropertyDescriptor> GetProperties(Type type, object? container) => inner.GetProperties(type, container);

    public IPropertyDescriptor GetProperty(
        Type type, object? container, string name, bool ignoreUnmatched, bool caseInsensitivePropertyMatching) =>
        inner.GetProperty(type, container, name, ignoreUnmatched: true, caseInsensitivePropertyMatching)
        ?? throw new SerializationException(Unknown(name, inner.GetProperties(type, container).Select(static property => property.Name)));

    /// <summary>Says that there is no such setting, and which it may have been meant to be.</summary>
    public static string Unknown(string name, IEnumerable<string> known) =>
        $"there is no setting {YamlReader.Quote(name)}{(NearestName.Of(name, known) is { } near ? $"; did you mean {near}?" : ".")}";

    public string GetEnumName(Type enumType, string name) => inner.GetEnumName(enumType, name);

    public string GetEnumValue(object enumValue) => inner.GetEnumValue(enumValue);

    public bool HasParseMethod(Type type) => inner.HasParseMethod(type);

    public object? Parse(string value, Type expectedType) => inner.Parse(value, expectedType);
}
