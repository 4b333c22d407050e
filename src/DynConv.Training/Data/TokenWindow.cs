namespace DynConv.Training.Data;

/// <summary>Where a window begins.</summary>
internal readonly record struct TokenWindow(ITokenRow Data, long Position);
