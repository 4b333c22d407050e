using System.Text;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Generation;

/// <summary>
/// The text of tokens as they come, up to the first stop string. Text that may still become a stop string is held back, so
/// that nothing of one is ever given out, however tokens cut it.
/// </summary>
public sealed class GeneratedText
{
    private readonly ITokenizer _tokenizer;
    private readonly byte[][] _stops;
    private readonly List<byte> _held = [];
    private int? _previous;

    /// <summary>Starts a text.</summary>
    /// <param name="tokenizer">The tokenizer that the tokens belong to.</param>
    /// <param name="previous">The token before the first one; null where the text has none before it.</param>
    /// <param name="stops">Texts that end it and are no part of it.</param>
    /// <exception cref="DynConvException">A stop string is empty.</exception>
    public GeneratedText(ITokenizer tokenizer, int? previous = null, params IReadOnlyList<string> stops)
    {
        if (stops.Contains(""))
        {
            throw new DynConvException("A stop string is empty; it would end each text at once.");
        }

        _tokenizer = tokenizer;
        _previous = previous;
        _stops = [.. stops.Select(Encoding.UTF8.GetBytes)];
    }

    /// <summary>Whether a stop string has come.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>The text that is certain with one more token; empty once a stop string has come.</summary>
    /// <param name="token">The next id.</param>
    /// <returns>Bytes, almost always UTF-8, but a character may be spread over several calls.</returns>
    /// <exception cref="DynConvException">The id is not in the vocabulary.</exception>
    public byte[] Append(int token)
    {
        byte[] bytes = _tokenizer.DecodeNext(_previous, token);
        _previous = token;
        var certain = new List<byte>();
        foreach (byte value in bytes)
        {
            if (IsStopped)
            {
                break;
            }

            Add(value, certain);
        }

        return [.. certain];
    }

    /// <summary>What was held back, once no more tokens come.</summary>
    public byte[] Finish()
    {
        byte[] rest = [.. _held];
        _held.Clear();
        return rest;
    }

    // Byte by byte, so that where the text ends does not depend on where tokens begin.
    private void Add(byte value, List<byte> certain)
    {
        _held.Add(value);
        if (_stops.Where(stop => EndsWith(stop, stop.Length)).MaxBy(static stop => stop.Length) is { } complete)
        {
            certain.AddRange(_held[..^complete.Length]);
            _held.Clear();
            IsStopped = true;
            return;
        }

        int open = _stops.Select(LongestBeginning).DefaultIfEmpty(0).Max();
        certain.AddRange(_held[..^open]);
        _held.RemoveRange(0, _held.Count - open);
    }

    private bool EndsWith(byte[] stop, int length) =>
        length <= _held.Count && _held[^length..].SequenceEqual(stop.Take(length));

    /// <summary>How much of a stop string the text ends with that goes on, if at all, with what comes.</summary>
    private int LongestBeginning(byte[] stop)
    {
        int length = Math.Min(stop.Length - 1, _held.Count);
        while (length > 0 && !EndsWith(stop, length))
        {
            length--;
        }

        return length;
    }
}
