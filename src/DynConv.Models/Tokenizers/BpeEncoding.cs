using DynConv.Models.Tokenizers.Normalization;
using DynConv.Models.Tokenizers.Pretokenization;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// The way from text to tokens: added tokens that are found in the text as it is; then, in what is left, the normalizers,
/// and added tokens that are found in normalized text; then, in what is left, the pre-tokenizers and the model. Immutable
/// but for caches.
/// </summary>
internal sealed class BpeEncoding
{
    // Text that an added token begins or a normalizer looks at in one piece can be longer; a cut there is tried out.
    private const int CutWindow = 2048;
    private const int MostCutsTried = 64;

    private readonly AddedTokenFinder _rawTokens;
    private readonly AddedTokenFinder _normalizedTokens;
    private readonly Normalizer[] _normalizers;
    private readonly Pretokenizer[] _pretokenizers;
    private readonly BpeModel _model;

    public BpeEncoding(BpeVocabulary vocabulary, BpeSettings settings)
    {
        _normalizers = [.. settings.Normalizers];
        _pretokenizers = [.. settings.Pretokenizers];
        _model = new BpeModel(vocabulary, settings.Model);
        _rawTokens = new AddedTokenFinder(vocabulary.Added
            .Where(static token => !token.Normalized)
            .Select(static token => (token, System.Text.Encoding.UTF8.GetBytes(token.Content))));
        _normalizedTokens = new AddedTokenFinder(vocabulary.Added
            .Where(static token => token.Normalized)
            .Select(token => (token, NormalizedContent(token))));
    }

    /// <summary>Appends the tokens of a text.</summary>
    public void Encode(ReadOnlySpan<byte> text, List<int> tokens, EncodeOptions options)
    {
        var output = new Pieces(this, tokens, options.SpecialTokens);
        int taken = 0;
        for (int from = 0; !_rawTokens.IsEmpty && from < text.Length;)
        {
            if (_rawTokens.Find(text, ref from, taken, options.SpecialTokens, out int start, out int end) is not { } token)
            {
                break;
            }

            EncodeNormalized(text, taken, start, options, output);
            tokens.Add(token.Id);
            taken = end;
        }

        EncodeNormalized(text, taken, text.Length, options, output);
    }

    /// <summary>Where to cut a long text, by trying it out on the text around.</summary>
    public int FindCut(ReadOnlySpan<byte> text)
    {
        int tried = 0;
        foreach (int cut in TextCut.Candidates(text.ToArray()))
        {
            if (tried++ == MostCutsTried)
            {
                break;
            }

            if (IsCut(text, cut))
            {
                return cut;
            }
        }

        return TextCut.Find(text);
    }

    private bool IsCut(ReadOnlySpan<byte> text, int cut)
    {
        ReadOnlySpan<byte> before = text[TextCut.CharacterStart(text, Math.Max(0, cut - CutWindow))..cut];
        ReadOnlySpan<byte> after = text[cut..TextCut.CharacterStart(text, Math.Min(text.Length, cut + CutWindow))];
        var options = new EncodeOptions { Part = TextPart.Continues | TextPart.Unfinished };
        List<int> whole = [];
        List<int> parts = [];
        Encode([.. before, .. after], whole, options);
        Encode(before, parts, options);
        Encode(after, parts, options);
        return whole.SequenceEqual(parts);
    }

    private byte[] NormalizedContent(AddedToken token)
    {
        byte[] content = System.Text.Encoding.UTF8.GetBytes(token.Content);
        bool atStart = true;
        foreach (Normalizer normalizer in _normalizers)
        {
            content = normalizer.Apply(content, TextPart.Whole, ref atStart);
        }

        return content.Length > 0
            ? content
            : throw new DynConvException($"nothing is left of the added token '{JsonPlace.Cut(token.Content)}' when it is normalized");
    }

    private void EncodeNormalized(ReadOnlySpan<byte> text, int start, int end, EncodeOptions options, Pieces output)
    {
        if (start >= end)
        {
            return;
        }

        TextPart part = (start == 0 ? options.Part & TextPart.Continues : TextPart.Whole)
            | (end == text.Length ? options.Part & TextPart.Unfinished : TextPart.Whole);
        bool atStart = start == 0 && !part.HasFlag(TextPart.Continues);
        ReadOnlySpan<byte> segment = text[start..end];
        if (_normalizers.Length > 0)
        {
            byte[] normalized = segment.ToArray();
            foreach (Normalizer normalizer in _normalizers)
            {
                normalized = normalizer.Apply(normalized, part, ref atStart);
            }

            segment = normalized;
        }

        PieceStart piece = part.HasFlag(TextPart.Continues) ? PieceStart.Inside : atStart ? PieceStart.Text : PieceStart.Piece;
        EncodePieces(segment, piece, options, output);
    }

    private void EncodePieces(ReadOnlySpan<byte> segment, PieceStart piece, EncodeOptions options, Pieces output)
    {
        int taken = 0;
        for (int from = 0; !_normalizedTokens.IsEmpty && from < segment.Length;)
        {
            if (_normalizedTokens.Find(segment, ref from, taken, options.SpecialTokens, out int start, out int end) is not { } token)
            {
                break;
            }

            if (start > taken)
            {
                output.Begin(segment[taken..start], taken == 0 ? piece : PieceStart.Piece);
            }

            output.Tokens.Add(token.Id);
            taken = end;
        }

        output.Begin(segment[taken..], taken == 0 ? piece : PieceStart.Piece);
    }

    private sealed class Pieces(BpeEncoding encoding, List<int> tokens, SpecialTokens special) : IPieceTarget
    {
        public List<int> Tokens => tokens;

        public void Begin(ReadOnlySpan<byte> text, PieceStart start) => new PieceOutput(this, 0).Add(text, start);

        public void Take(ReadOnlySpan<byte> piece, PieceStart start, int step)
        {
            if (step == encoding._pretokenizers.Length)
            {
                encoding._model.Encode(piece, tokens, special);
            }
            else
            {
                encoding._pretokenizers[step].Split(piece, start, new PieceOutput(this, step + 1));
            }
        }
    }
}
