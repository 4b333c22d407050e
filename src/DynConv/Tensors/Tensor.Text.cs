using System.Globalization;
using System.Text;

namespace DynConv;

public sealed partial class Tensor
{
    // Of a longer dimension the first and the last few entries are shown.
    private const long Shown = 6;
    private const long ShownAtEachEnd = 3;

    /// <summary>
    /// <c>float32 [4, 128] on cpu</c> and the values, of long dimensions the first three and the last three. Of a tensor on a
    /// GPU they are fetched, which waits for it.
    /// </summary>
    public override string ToString()
    {
        string kind = Describe();
        if (IsDisposed || Count == 0)
        {
            return kind;
        }

        var text = new StringBuilder(kind);
        text.Append(Rank == 0 ? ": " : "\n");
        using var scope = new TensorScope();
        Append(text, Detach(), indent: 0);
        return text.ToString();
    }

    /// <summary><c>float32 [4, 128] on cpu</c>.</summary>
    internal string Describe() => $"{DType.Name()} {Shape}{(IsDisposed ? " (disposed)" : $" on {Device}")}";

    private static void Append(StringBuilder text, Tensor part, int indent)
    {
        if (part.Rank == 0)
        {
            text.Append(part.Texts()[0]);
            return;
        }

        long length = part.Shape[0];
        bool isLong = length > Shown;
        text.Append('[');
        if (part.Rank == 1)
        {
            string[] entries = isLong
                ? [.. part.Slice(0, 0, ShownAtEachEnd).Texts(), "…", .. part.Slice(0, length - ShownAtEachEnd, ShownAtEachEnd).Texts()]
                : part.Texts();
            text.AppendJoin(", ", entries);
        }
        else
        {
            for (long i = 0; i < length; i++)
            {
                if (i > 0)
                {
                    text.Append(",\n").Append(' ', indent + 1);
                }

                if (isLong && i == ShownAtEachEnd)
                {
                    text.Append('…');
                    i = length - ShownAtEachEnd - 1;
                    continue;
                }

                Append(text, part[i], indent + 1);
            }
        }

        text.Append(']');
    }

    private string[] Texts() => DType == DType.Int32
        ? [.. ToArray<int>().Select(value => value.ToString(CultureInfo.InvariantCulture))]
        : [.. Floats().Select(value => value.ToString("0.####", CultureInfo.InvariantCulture) is var text && (value == 0 || MathF.Abs(value) is >= 1e-3f and < 1e6f || !float.IsFinite(value))
            ? text
            : value.ToString("0.###e+0", CultureInfo.InvariantCulture))];

    private float[] Floats() => DType == DType.Float32 ? ToArray<float>() : To(DType.Float32).ToArray<float>();
}
