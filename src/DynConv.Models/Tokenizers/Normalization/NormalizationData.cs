using System.Globalization;

namespace DynConv.Models.Tokenizers.Normalization;

/// <summary>
/// The tables behind <see cref="UnicodeForm"/>, those of Hugging Face's library (Unicode 9). .NET's own are not there in a
/// program that works without the data of cultures.
/// </summary>
/// <remarks>
/// Lines of <c>NormalizationData.txt</c>: <c>o</c>, a combining class and its members; <c>c</c>, a character and what it
/// stands for; <c>p</c>, the same where the two also become the one; <c>k</c>, a character and what it stands for where
/// looks do not matter. Numbers of characters are hexadecimal.
/// </remarks>
internal static class NormalizationData
{
    private const string Resource = "DynConv.Models.Tokenizers.Normalization.NormalizationData.txt";
    private const int BasicPlane = 0x10000;

    private static readonly Dictionary<int, int[]> Canonical = [];
    private static readonly Dictionary<int, int[]> Compatible = [];
    private static readonly Dictionary<(int, int), int> Pairs = [];
    private static readonly Dictionary<int, byte> FarClasses = [];
    private static readonly byte[] NearClasses = new byte[BasicPlane];

    static NormalizationData()
    {
        using Stream stream = typeof(NormalizationData).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            Read(line.Split(' '));
        }
    }

    /// <summary>The combining class; 0 for what is no mark.</summary>
    public static int Class(int codePoint) =>
        codePoint < BasicPlane ? NearClasses[codePoint] : FarClasses.GetValueOrDefault(codePoint);

    /// <summary>Appends what a character stands for, itself mostly.</summary>
    public static void Decompose(int codePoint, bool compatible, List<int> parts)
    {
        if (compatible && Compatible.TryGetValue(codePoint, out int[]? all))
        {
            parts.AddRange(all);
        }
        else if (Canonical.TryGetValue(codePoint, out int[]? some))
        {
            foreach (int part in some)
            {
                Decompose(part, compatible, parts);
            }
        }
        else
        {
            parts.Add(codePoint);
        }
    }

    /// <summary>The character that two become; null if they stay two.</summary>
    public static int? Compose(int first, int second) => Pairs.TryGetValue((first, second), out int whole) ? whole : null;

    private static void Read(string[] line)
    {
        if (line[0] == "o")
        {
            foreach (string range in line[2..])
            {
                string[] ends = range.Split('-');
                for (int c = Hexadecimal(ends[0]); c <= Hexadecimal(ends[^1]); c++)
                {
                    SetClass(c, byte.Parse(line[1], CultureInfo.InvariantCulture));
                }
            }

            return;
        }

        int whole = Hexadecimal(line[1]);
        int[] parts = [.. line[2..].Select(Hexadecimal)];
        (line[0] == "k" ? Compatible : Canonical)[whole] = parts;
        if (line[0] == "p")
        {
            Pairs[(parts[0], parts[1])] = whole;
        }
    }

    private static void SetClass(int codePoint, byte value)
    {
        if (codePoint < BasicPlane)
        {
            NearClasses[codePoint] = value;
        }
        else
        {
            FarClasses[codePoint] = value;
        }
    }

    private static int Hexadecimal(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
