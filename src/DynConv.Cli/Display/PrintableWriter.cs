using System.Text;

namespace DynConv.Cli.Display;

/// <summary>Writes to a terminal and keeps back what it would obey: see <see cref="Printable"/>.</summary>
internal sealed class PrintableWriter(TextWriter terminal) : TextWriter
{
    public override Encoding Encoding => terminal.Encoding;

    public override void Write(char value) => terminal.Write(Printable.Character(value));

    public override void Write(string? value) => terminal.Write(value is null ? null : Printable.Text(value));

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    public override void WriteLine() => terminal.WriteLine();

    public override void WriteLine(string? value)
    {
        Write(value);
        terminal.WriteLine();
    }

    public override void Flush() => terminal.Flush();
}
