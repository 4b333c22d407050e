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
        ?? throw new SerializationException($"there is no setting '{name}'.");

    public string GetEnumName(Type enumType, string name) => inner.GetEnumName(enumType, name);

    public string GetEnumValue(object enumValue) => inner.GetEnumValue(enumValue);

    public bool HasParseMethod(Type type) => inner.HasParseMethod(type);

    public object? Parse(string value, Type expectedType) => inner.Parse(value, expectedType);
}
