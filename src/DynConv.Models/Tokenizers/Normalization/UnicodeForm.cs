using System.Text;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers.Normalization;

/// <summary><c>NFC</c>, <c>NFD</c>, <c>NFKC</c>, <c>NFKD</c>: Unicode's normalization forms.</summary>
/// <param name="compatible">Whether characters that look different but mean the same become one.</param>
/// <param name="composes">Whether characters and their marks become one character where there is one.</param>
internal sealed class UnicodeForm(bool compatible, bool composes) : Normalizer
{
    private const int HangulFirst = 0xAC00;
    private const int LeadFirst = 0x1100;
    private const int VowelFirst = 0x1161;
    private const int TailBase = 0x11A7;
    private const int Leads = 19;
    private const int Vowels = 21;
    private const int Tails = 28;

    // Nothing below changes in any form that keeps what looks different, and nothing of ASCII in any.
    private const int FirstMark = 0x300;
    private const int FirstBeyondAscii = 0x80;

    public override byte[] Apply(byte[] text, TextPart part, ref bool atStart)
    {
        if (Ascii.IsValid(text))
        {
            return text;
        }

        List<int> codePoints = CodePoints.Read(text);
        int limit = composes && !compatible ? FirstMark : FirstBeyondAscii;
        if (codePoints.TrueForAll(c => c < limit))
        {
            return text;
        }

        List<int> changed = Decompose(codePoints);
        Order(changed);
        if (composes)
        {
            Compose(changed);
        }

        var bytes = new List<byte>(text.Length);
        changed.ForEach(c => CodePoints.Write(c, bytes));
        return [.. bytes];
    }

    private List<int> Decompose(List<int> codePoints)
    {
        var parts = new List<int>(codePoints.Count);
        foreach (int c in codePoints)
        {
            if (c < FirstBeyondAscii)
            {
                parts.Add(c);
            }
            else if (c is >= HangulFirst and < HangulFirst + (Leads * Vowels * Tails))
            {
                int index = c - HangulFirst;
                parts.Add(LeadFirst + (index / (Vowels * Tails)));
                parts.Add(VowelFirst + (index % (Vowels * Tails) / Tails));
                if (index % Tails > 0)
                {
                    parts.Add(TailBase + (index % Tails));
                }
            }
            else
            {
                NormalizationData.Decompose(c, compatible, parts);
            }
        }

        return parts;
    }

    // Marks of a character by their classes, those of one class in the order of the text.
    private static void Order(List<int> parts)
    {
        for (int start = 0; start < parts.Count; start++)
        {
            int end = start;
            bool inOrder = true;
            for (int last = 0; end < parts.Count && NormalizationData.Class(parts[end]) is > 0 and int order; end++)
            {
                inOrder &= order >= last;
                last = order;
            }

            if (!inOrder)
            {
                int[] sorted = [.. parts[start..end].OrderBy(NormalizationData.Class)];
                for (int i = 0; i < sorted.Length; i++)
                {
                    parts[start + i] = sorted[i];
                }
            }

            start = end;
        }
    }

    private static void Compose(List<int> parts)
    {
        int kept = 0;
        int starter = -1;
        int lastClass = -1;
        for (int i = 0; i < parts.Count; i++)
        {
            int c = parts[i];
            int order = NormalizationData.Class(c);
            if (starter >= 0 && lastClass < order && Pair(parts[starter], c) is int whole)
            {
                parts[starter] = whole;
                continue;
            }

            if (order == 0)
            {
                starter = kept;
                lastClass = -1;
            }
            else
            {
                lastClass = order;
            }

            parts[kept++] = c;
        }

        parts.RemoveRange(kept, parts.Count - kept);
    }

    private static int? Pair(int first, int second)
    {
        if (first is >= LeadFirst and < LeadFirst + Leads && second is >= VowelFirst and < VowelFirst + Vowels)
        {
            return HangulFirst + ((((first - LeadFirst) * Vowels) + second - VowelFirst) * Tails);
        }

        if (first is >= HangulFirst and < HangulFirst + (Leads * Vowels * Tails) && (first - HangulFirst) % Tails == 0
            && second is > TailBase and < TailBase + Tails)
        {
            return first + second - TailBase;
        }

        return NormalizationData.Compose(first, second);
    }
}
