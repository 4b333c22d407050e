using ZstdSharp;

namespace DynConv.Training.Data;

/// <summary>
/// Unpacks Zstandard: any number of frames, and frames to be skipped between them. A frame whose window is larger than
/// 128 MiB is refused, as the <c>zstd</c> command refuses it.
/// </summary>
internal sealed class ZstandardTextStream(Stream packed) : ReadOnlyStream
{
    private readonly DecompressionStream _frames = new(packed, leaveOpen: false);

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return _frames.Read(buffer);
        }
        catch (Exception exception) when (exception is ZstdException or EndOfStreamException)
        {
            throw new DamagedDataException("is not a whole Zstandard file: it is truncated, damaged, or needs more than 128 MiB at a time", exception);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _frames.Dispose();
        }

        base.Dispose(disposing);
    }
}
