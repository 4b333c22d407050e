using System.CommandLine;
using DynConv.Cli.Display;
using DynConv.Models.Tokenizers;
using DynConv.Training.Data;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv tokenizer</c></summary>
internal static class TokenizerCommand
{
    private const string Help = """
        Makes tokenizers, and shows what they do.

        Example:
          dynconv tokenizer train --data books/ --vocab-size 8192 --out tokenizer.json
          dynconv tokenizer encode --tokenizer tokenizer.json < lines.txt
        """;

    private const string TrainHelp = """
        Learns a byte-level BPE vocabulary; writes Hugging Face's tokenizer.json.

        Example:
          dynconv tokenizer train --data books/ --vocab-size 8192 --out tokenizer.json
        """;

    public static Command Create(CliContext context) => new("tokenizer", Help)
    {
        CreateTrain(context),
        TokenizerTextCommands.CreateEncode(context),
        TokenizerTextCommands.CreateDecode(context),
        TokenizerTextCommands.CreateCount(context),
    };

    private static Command CreateTrain(CliContext context)
    {
        Option<string[]> data = CommonOptions.Data();
        Option<int?> size = CommonOptions.Number<int>("--vocab-size", "Number of tokens: 256 bytes, merges and the end of text.");
        size.Required = true;
        var output = new Option<string>("--out") { Description = "The file to write.", Required = true, HelpName = "FILE" };
        Option<string> pattern = CommonOptions.Choice("--pattern", "How text is cut into pieces before merging.", ["gpt2", "llama3"]);
        pattern.DefaultValueFactory = static _ => "gpt2";
        Option<int?> threads = CommonOptions.Threads();
        var reading = new TextReading();
        var command = new Command("train", TrainHelp) { data, size, output, pattern, threads };
        reading.AddTo(command);
        command.SetAction(parsed =>
        {
            using IDisposable? limit = CommonOptions.LimitThreads(parsed.GetValue(threads));
            var options = new TokenizerTrainerOptions
            {
                Pattern = parsed.GetValue(pattern) == "llama3" ? PretokenizerPattern.Llama3 : PretokenizerPattern.Gpt2,
            };
            return Train(context, TextSource.Find(parsed.GetValue(data)!, options: reading.Read(parsed)), parsed.GetValue(size)!.Value, parsed.GetValue(output)!, options);
        });
        return command;
    }

    private static int Train(CliContext context, TextSource source, int size, string path, TokenizerTrainerOptions options)
    {
        CommonOptions.CheckWritable(path);
        using var interrupts = new Interrupts(context);
        BpeTokenizer tokenizer;
        SkippedLines? skipped = null;
        using (var progress = new Progress(context))
        {
            tokenizer = TokenizerTrainer.Train(source.ReadDocuments(lines => skipped = lines), size, options, progress, interrupts.Stop);
        }

        foreach (string note in DataNotes.NotRead(source.LeftOut, skipped))
        {
            context.Error.WriteLine($"note: {Printable.Text(note)}");
        }

        tokenizer.Save(path);
        if (tokenizer.VocabularySize < size)
        {
            context.Out.WriteLine($"The text has no more pairs to merge: {tokenizer.VocabularySize} tokens instead of {size}.");
        }

        context.Out.WriteLine($"{path}: {tokenizer.VocabularySize} tokens from {source.Files.Count} files");
        return CommandLineApplication.Success;
    }

    private sealed class Progress(CliContext context) : IProgress<TokenizerTrainingProgress>, IDisposable
    {
        private readonly ProgressLine _line = new(context.Screen);

        public void Report(TokenizerTrainingProgress value)
        {
            if (context.IsInteractive)
            {
                _line.Show($"{value.BytesRead / 1e6:N1} MB read, {value.Tokens:N0} of {value.VocabularySize:N0} tokens");
            }
        }

        public void Dispose() => _line.Dispose();
    }
}
