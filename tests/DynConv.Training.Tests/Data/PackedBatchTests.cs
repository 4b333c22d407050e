using DynConv.Training.Data;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Training.Tests.Data;

/// <summary>Where documents begin, and what that makes of windows; a plain scan says what is right.</summary>
public sealed class PackedBatchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private int _caches;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_document_begins_after_the_end_of_text_of_the_one_before()
    {
        using TokenDataset data = Encode([2, 1, 0, 4]);
        Assert.Equal("aa|b||dddd|", Texts.Show(data));
        Assert.Equal([3L, 5L, 6L], data.DocumentStarts(0, 11));
        Assert.Equal([5L], data.DocumentStarts(3, 3));
        Assert.Equal([3L], data.DocumentStarts(2, 2));
        Assert.Empty(data.DocumentStarts(0, 3));
        Assert.Empty(data.DocumentStarts(6, 5));
        Assert.Empty(data.DocumentStarts(6, 0));
    }

    [Fact]
    public void Without_an_id_of_the_end_of_text_documents_begin_all_the_same_and_empty_ones_nowhere()
    {
        using TokenDataset data = Encode([0, 2, 0, 0, 1, 3, 0], endOfText: false);
        Assert.Equal(6, data.Tokens);
        Assert.Equal([2L, 3L], data.DocumentStarts(0, 6));
    }

    [Fact]
    public void What_does_not_exist_has_no_documents()
    {
        using TokenDataset data = Encode([2, 1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => data.DocumentStarts(0, 6));
        Assert.Throws<ArgumentOutOfRangeException>(() => data.DocumentStarts(-1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => data.DocumentStarts(1, -1));
    }

    [Fact]
    public void Document_starts_of_any_part_of_any_text_are_those_of_a_scan() =>
        ForAnyParts((data, owners) =>
        {
            for (int position = 0; position <= data.Tokens; position++)
            {
                for (int count = 0; count <= data.Tokens - position; count++)
                {
                    if (!data.DocumentStarts(position, count).SequenceEqual(ScanStarts(owners, position, count)))
                    {
                        return false;
                    }
                }
            }

            return true;
        });

    [Fact]
    public void A_document_that_a_cut_goes_through_begins_anew_after_it()
    {
        using TokenDataset data = Encode([30]);
        (TokenDataset train, TokenDataset validation) = data.HoldOut(context: 4);
        using (train)
        using (validation)
        {
            Assert.Equal((26, 5), (train.Tokens, validation.Tokens));
            Assert.Empty(train.DocumentStarts(0, 26));
            Assert.Equal([0L, 4L], new EvaluationWindows(validation, 4).Pack(0).Bounds);
        }
    }

    [Fact]
    public void Windows_begin_sequences_and_so_do_documents_and_no_first_token_is_a_target()
    {
        using TokenDataset data = Encode([2, 1, 0, 4, 1]);
        Assert.Equal("aa|b||dddd|e|", Texts.Show(data));
        PackedBatch batch = new EvaluationWindows(data, 5).Pack(0, 1, 2);
        Assert.Equal("aa|b|" + "|dddd" + "|e\0\0\0", Show(batch.Ids));
        Assert.Equal("a|-|-" + "-ddd|" + "-|---", Show(batch.Targets));
        Assert.Equal([0L, 3L, 5L, 6L, 10L, 11L, 15L], batch.Bounds);
        Assert.Equal(8, batch.CountedTargets);
        using DynConv.Ops.PackedSequences sequences = batch.Sequences();
        Assert.Equal(batch.Bounds, sequences.CuSeqlens.ToArray());
    }

    [Fact]
    public void Bytes_of_packed_targets_leave_out_first_tokens_too()
    {
        using TokenDataset data = Encode([2, 1, 0, 4, 1]);
        var windows = new EvaluationWindows(data, 5);
        Assert.Equal([1L, 3L, 0L], Enumerable.Range(0, 3).Select(window => windows.TargetBytes(windows.Pack(window))));
        Assert.Throws<ArgumentOutOfRangeException>(() => windows.Pack(3));
    }

    [Fact]
    public void Packed_samples_are_the_samples_but_for_targets_in_other_documents() =>
        ForAnyParts((data, owners) =>
        {
            for (int context = 1; context < Math.Min(data.Tokens, 8); context++)
            {
                const int Samples = 5;
                var sampler = new BatchSampler(data, context, seed: 3);
                int[] ids = new int[Samples * context];
                int[] targets = new int[ids.Length];
                sampler.FillBatch(2, ids, targets);
                int[] positions = [.. Enumerable.Range(2, Samples).Select(sample => (int)sampler.Position(sample))];
                PackedBatch batch = sampler.Pack(2, Samples);
                if (!Matches(batch, ids, targets, owners, positions, context)
                    || batch.CountedTargets != sampler.CountPackedTargets(2, Samples))
                {
                    return false;
                }
            }

            return true;
        });

    [Fact]
    public void Packed_evaluation_windows_are_the_windows_but_for_targets_in_other_documents() =>
        ForAnyParts((data, owners) =>
        {
            for (int context = 1; context < Math.Min(data.Tokens, 8); context++)
            {
                var windows = new EvaluationWindows(data, context);
                int[] ids = new int[windows.Count * context];
                int[] targets = new int[ids.Length];
                for (int window = 0; window < windows.Count; window++)
                {
                    windows.Fill(window, ids.AsSpan(window * context, context), targets.AsSpan(window * context, context));
                }

                long[] all = [.. Enumerable.Range(0, (int)windows.Count)];
                int[] positions = [.. all.Select(window => (int)window * context)];
                if (!Matches(windows.Pack(all), ids, targets, owners, positions, context))
                {
                    return false;
                }
            }

            return true;
        });

    private static bool Matches(PackedBatch batch, int[] ids, int[] targets, int[] owners, int[] positions, int context)
    {
        var bounds = new List<long>();
        for (int place = 0; place < ids.Length; place++)
        {
            int position = positions[place / context] + (place % context);
            if (place % context == 0 || (position < owners.Length && owners[position] != owners[position - 1]))
            {
                bounds.Add(place);
            }

            if (position + 1 < owners.Length && owners[position] != owners[position + 1])
            {
                targets[place] = EvaluationWindows.IgnoredTarget;
            }
        }

        bounds.Add(ids.Length);
        return batch.Ids.SequenceEqual(ids) && batch.Targets.SequenceEqual(targets) && batch.Bounds.SequenceEqual(bounds)
            && batch.CountedTargets == targets.Count(target => target != EvaluationWindows.IgnoredTarget);
    }

    private static IEnumerable<long> ScanStarts(int[] owners, int position, int count) =>
        Enumerable.Range(position, count).Skip(1).Where(place => owners[place] != owners[place - 1]).Select(place => (long)place);

    /// <summary>Checks whole texts and both parts of them, each with a number for every token that tells stretches of documents apart.</summary>
    private void ForAnyParts(Func<TokenDataset, int[], bool> holds) => Prop.ForAll(
        Gen.Choose(0, 6).NonEmptyListOf().ToArbitrary(), ArbMap.Default.ArbFor<bool>(), Gen.Choose(1, 9).ToArbitrary(), (lengths, endOfText, shard) =>
        {
            // Three more bytes, so that there is always enough for two parts.
            int[] documents = [.. lengths.Take(12), 3, 1];
            using TokenDataset data = Encode(documents, endOfText, shard);
            int[] owners = [.. documents.SelectMany((length, i) => Enumerable.Repeat(i, length + (endOfText ? 1 : 0)))];
            (TokenDataset train, TokenDataset validation) = data.HoldOut(context: 1, share: 0.4);
            using (train)
            using (validation)
            {
                return holds(data, owners) && holds(train, OwnersOf(train, owners)) && holds(validation, OwnersOf(validation, owners));
            }
        }).QuickCheckThrowOnFailure();

    private static int[] OwnersOf(TokenDataset part, int[] owners) =>
        [.. part.Ranges.SelectMany((range, i) => owners[(int)range.Start..(int)range.End].Select(owner => (1000 * i) + owner))];

    /// <summary>Documents of given numbers of ids, each of its own letter, but for the end of text.</summary>
    private TokenDataset Encode(int[] lengths, bool endOfText = true, int shardTokens = 1000)
    {
        string name = $"text-{_caches++}";
        _folder.Write($"{name}/x.jsonl", string.Join('\n', lengths.Select((length, i) => $"{{\"text\":\".{new string((char)('a' + i), length)}\"}}")));
        return TokenCache.OpenOrEncode(
            _folder[$"{name}-cache"], TextSource.Find([_folder[name]]), new FakeTokenizer(endOfText, silent: (byte)'.'), new EncodingOptions { ShardTokens = shardTokens });
    }

    private static string Show(ReadOnlySpan<int> ids) => string.Concat(ids.ToArray().Select(id => id switch
    {
        FakeTokenizer.End => '|',
        EvaluationWindows.IgnoredTarget => '-',
        _ => (char)id,
    }));
}
