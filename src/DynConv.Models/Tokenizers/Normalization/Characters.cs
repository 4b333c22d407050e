using System.Text;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers.Normalization;

/// <summary><c>Lowercase</c>, <c>StripAccents</c>, <c>Nmt</c>: each character by itself.</summary>
/// <param name="map">What a code point becomes: others, or none.</param>
internal sealed class Characters(Func<int, int[]> map) : Normalizer
{
    private const int DottedCapitalI = 0x130;

    /// <summary>Lower case.</summary>
    public static Characters Lowercase { get; } = new(static c => c switch
    {
        DottedCapitalI => ['i', 0x307],

        // Letters of Unicode 17, which the tables of .NET 10 do not have yet.
        0xA7CE or 0xA7D2 or 0xA7D4 => [c + 1],
        >= 0x16EA0 and <= 0x16EB8 => [c + 0x1B],
        _ => [Rune.IsValid(c) ? Rune.ToLowerInvariant(new Rune(c)).Value : c],
    });

    /// <summary>Without marks.</summary>
    public static Characters StripAccents { get; } = new(static c => UnicodeSets.OldMarks.Contains(c) ? [] : [c]);

    /// <summary>Without control characters, and with one kind of space.</summary>
    public static Characters Nmt { get; } = new(static c => c switch
    {
        (>= 1 and <= 8) or 0xB or (>= 0xE and <= 0x1F) or 0x7F or 0x8F or 0x9F => [],
        9 or 0xA or 0xC or 0xD or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD => [' '],
        _ => [c],
    });

    public override byte[] Apply(byte[] text, TextPart part, ref bool atStart)
    {
        var changed = new List<byte>(text.Length);
        bool first = true;
        foreach (int c in CodePoints.Read(text))
        {
            int[] mapped = map(c);
            atStart &= !first || mapped.Length > 0;
            first = false;
            foreach (int next in mapped)
            {
                CodePoints.Write(next, changed);
            }
        }

        return [.. changed];
    }
}
