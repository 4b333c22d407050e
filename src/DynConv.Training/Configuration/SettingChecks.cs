using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;

namespace DynConv.Training;

/// <summary>
/// Looks at each value before YamlDotNet converts it, so that a wrong one is met with what would fit and not with the
/// name of a .NET type. An empty list or section counts as left out.
/// </summary>
internal sealed class SettingChecks : INodeDeserializer
{
    public bool Deserialize(
        IParser reader,
        Type expectedType,
        Func<IParser, Type, object?> nestedObjectDeserializer,
        out object? value,
        ObjectDeserializer rootDeserializer)
    {
        value = null;
        ParsingEvent found = reader.Current!;
        if (Empty(expectedType) is { } empty && found is Scalar scalar && IsNull(scalar))
        {
            reader.MoveNext();
            value = empty;
            return true;
        }

        return Fits(found, expectedType, out string wanted)
            ? false
            : throw new YamlException(found.Start, found.End, $"{Describe(found)} stands where {wanted} is wanted.");
    }

    private static object? Empty(Type type) =>
        type == typeof(List<string>) ? new List<string>()
        : type == typeof(ModelOverrides) ? new ModelOverrides()
        : type == typeof(TrainingConfiguration) ? new TrainingConfiguration()
        : null;

    private static bool Fits(ParsingEvent found, Type type, out string wanted)
    {
        Type? nullable = Nullable.GetUnderlyingType(type);
        (wanted, Func<string, bool>? parses) = Type.GetTypeCode(nullable ?? type) switch
        {
            TypeCode.Int32 => ("a whole number", text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)),
            TypeCode.Int64 => ("a whole number", text => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)),
            TypeCode.UInt64 => ("a whole number from 0", text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _)),
            TypeCode.Double => ("a number", text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)),
            TypeCode.Boolean => ("true or false", text => bool.TryParse(text, out _)),
            TypeCode.String => ("a text", static _ => true),
            _ when type == typeof(List<string>) => ("a list of texts, as in [a, b],", (Func<string, bool>?)null),
            _ when type == typeof(MixerPattern) => ("a list of mixers, as in [attention],", null),
            _ => ("a section of settings", null),
        };
        return found switch
        {
            Scalar nothing when type == typeof(MixerPattern) => IsNull(nothing),
            Scalar scalar when parses is not null => IsNull(scalar) ? nullable is not null : parses(scalar.Value),
            SequenceStart => IsList(type),
            MappingStart => parses is null && !IsList(type),
            _ => false,
        };
    }

    private static bool IsList(Type type) => type == typeof(List<string>) || type == typeof(MixerPattern);

    private static bool IsNull(Scalar scalar) =>
        scalar is { Style: ScalarStyle.Plain, Value: "" or "~" or "null" or "Null" or "NULL" };

    private static string Describe(ParsingEvent found) => found switch
    {
        Scalar scalar when IsNull(scalar) => "nothing",
        Scalar scalar => YamlReader.Quote(scalar.Value),
        SequenceStart => "a list",
        _ => "a section",
    };
}
