using DynConv.Cuda;

namespace DynConv;

/// <summary>
/// A number on its way from a device to the host: <see cref="Tensor.ReadLater"/> asks for it, the ops that follow go on,
/// and whoever reads <see cref="Value"/> waits only for what was queued before.
/// </summary>
public sealed class PendingValue : IDisposable
{
    private readonly PinnedReads? _reads;
    private PinnedRead? _read;
    private float? _value;

    internal PendingValue(Tensor tensor)
    {
        if (tensor.Device.IsCuda)
        {
            _reads = tensor.Device.Context.Reads;
            _read = _reads.Copy(tensor.Address);
        }
        else
        {
            _value = tensor.Item();
        }
    }

    /// <summary>The number; waits for it if need be.</summary>
    public float Value
    {
        get
        {
            if (_value is null && _read is { } read)
            {
                _value = _reads!.Wait(read);
                _read = null;
                _reads.Return(read);
            }

            return _value ?? throw new ObjectDisposedException(nameof(PendingValue));
        }
    }

    /// <summary>Gives up what the copy needs; a number that has not been read is lost.</summary>
    public void Dispose()
    {
        if (_read is { } read)
        {
            // The copy may still be under way, and the next one must not meet it. If work on the card has failed, whoever
            // waits for a result says so: from here it would hide what they say.
            _read = null;
            if (_reads!.TryWait(read))
            {
                _reads.Return(read);
            }
        }
    }
}
