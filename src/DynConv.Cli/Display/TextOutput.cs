using System.Text;

namespace DynConv.Cli.Display;

/// <summary>
/// Standard output for a text that comes in pieces of bytes: a terminal gets characters, each when its last byte has come,
/// and a file or another program the bytes. A line break ends it.
/// </summary>
internal sealed class TextOutput(CliContext context) : IDisposable
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    public void Write(ReadOnlySpan<byte> utf8)
    {
        if (context.IsInteractive)
        {
            Show(utf8, isEnd: false);
        }
        else
        {
            context.Bytes.Write(utf8);
            context.Bytes.Flush();
        }
    }

    public void Dispose()
    {
        if (context.IsInteractive)
        {
            Show([], isEnd: true);
            context.Out.WriteLine();
        }
        else
        {
            Write("\n"u8);
        }
    }

    private void Show(ReadOnlySpan<byte> utf8, bool isEnd)
    {
        var characters = new char[_decoder.GetCharCount(utf8, isEnd)];
        context.Out.Write(characters, 0, _decoder.GetChars(utf8, characters, isEnd));
        context.Out.Flush();
    }
}
