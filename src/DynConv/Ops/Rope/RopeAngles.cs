namespace DynConv.Ops;

/// <summary>The angles of the tokens of a call; whoever asked for them disposes them, and a tape holds what it needs.</summary>
/// <param name="Table"><c>[positions, 2, K / 2]</c>: for each position the cosines, then the sines.</param>
/// <param name="Position">The position of each row's first token, unless each token has its own.</param>
/// <param name="Positions">int32 <c>[B * T]</c>, or null.</param>
internal readonly record struct RopeAngles(Tensor Table, long Position, Tensor? Positions) : IDisposable
{
    /// <summary>Lets go of the view of the table.</summary>
    public void Dispose() => Table.Dispose();
}
