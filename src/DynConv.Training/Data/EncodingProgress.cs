namespace DynConv.Training.Data;

/// <summary>How far the encoding of text has come.</summary>
/// <param name="BytesRead">Bytes of the files on disk read so far.</param>
/// <param name="TotalBytes">Bytes of all files on disk.</param>
/// <param name="Tokens">Token ids written so far.</param>
public readonly record struct EncodingProgress(long BytesRead, long TotalBytes, long Tokens);
