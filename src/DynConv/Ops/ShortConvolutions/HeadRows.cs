namespace DynConv.Ops;

/// <summary>Numbers that each row has for every tap of every head, for a block of channels.</summary>
/// <param name="Rows">The first head's tap 0 by row.</param>
/// <param name="TapStride">From one tap to the next.</param>
/// <param name="HeadStride">From one head to the next.</param>
/// <param name="HeadSize">Channels of a head.</param>
/// <param name="FirstEnd">Channels of the block that belong to the first head; the block may start inside it.</param>
internal readonly unsafe record struct HeadRows(Strided Rows, long TapStride, long HeadStride, long HeadSize, long FirstEnd)
{
    public float* First => Rows.First;

    public long RowStride => Rows.Stride;

    /// <summary>The same without the first <paramref name="tap"/> taps.</summary>
    public HeadRows FromTap(int tap) => this with { Rows = new Strided(First + (tap * TapStride), RowStride) };

    /// <summary>
    /// The same rows backwards, with the taps that meet at one token: tap w of the row w further on.
    /// </summary>
    public HeadRows Back() => this with { Rows = new Strided(First, -RowStride), TapStride = RowStride + TapStride };
}
