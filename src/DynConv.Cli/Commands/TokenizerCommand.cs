using System.CommandLine;
using DynConv.Models.Tokenizers;
using DynConv.Training.Data;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv tokenizer</c></summary>
internal static class TokenizerCommand
{
    private const string TrainHelp = """
        Learns a byte-level BPE vocabulary from text and writes it as Hugging Face's tokenizer.json.

        Example:
          dynconv tokenizer train --data books/ --vocab-size 8192 --out tokenizer.json
        """;

    public static Command Create(CliContext context) => new("tokenizer", "Makes tokenizers.") { CreateTrain(context) };

    private static Command CreateTrain(CliContext context)
    {
        var data = new Option<string[]>("--data") { Description = "Files and folders of text.", Required = true, HelpName = "PATH", AllowMultipleArgumentsPerToken = true };
        var size = new Option<int>("--vocab-size") { Description = "Number of tokens: 256 bytes, merges and the end of text.", Required = true, HelpName = "N" };
        var output = new Option<string>("--out") { Description = "The file to write.", Required = true, HelpName = "FILE" };
        var pattern = new Option<string>("--pattern") { Description = "How text is cut into pieces before merging.", DefaultValueFactory = static _ => "gpt2" };
        pattern.AcceptOnlyFromAmong("gpt2", "llama3");
        Option<int?> threads = CommonOptions.Threads();
        var command = new Command("train", TrainHelp) { data, size, output, pattern, threads };
        command.SetAction(parsed =>
        {
            CommonOptions.ApplyThreads(parsed.GetValue(threads));
            var options = new TokenizerTrainerOptions
            {
                Pattern = parsed.GetValue(pattern) == "llama3" ? PretokenizerPattern.Llama3 : PretokenizerPattern.Gpt2,
                Threads = parsed.GetValue(threads) ?? Environment.ProcessorCount,
            };
            return Train(context, TextSource.Find(parsed.GetValue(data)!), parsed.GetValue(size), parsed.GetValue(output)!, options);
        });
        return command;
    }

    private static int Train(CliContext context, TextSource source, int size, string path, TokenizerTrainerOptions options)
    {
        using var interrupts = new Interrupts(TextWriter.Null);
        BpeTokenizer tokenizer;
        using (var progress = new ProgressLine(context))
        {
            tokenizer = TokenizerTrainer.Train(source.ReadDocuments(), size, options, progress, interrupts.Stop);
        }

        tokenizer.Save(path);
        if (tokenizer.VocabularySize < size)
        {
            context.Out.WriteLine($"The text has no more pairs to merge: {tokenizer.VocabularySize} tokens instead of {size}.");
        }

        context.Out.WriteLine($"{path}: {tokenizer.VocabularySize} tokens from {source.Files.Count} files");
        return CommandLineApplication.Success;
    }

    private sealed class ProgressLine(CliContext context) : IProgress<TokenizerTrainingProgress>, IDisposable
    {
        private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
        private DateTime _next;
        private bool _shown;

        public void Report(TokenizerTrainingProgress value)
        {
            if (context.IsInteractive && DateTime.UtcNow >= _next)
            {
                _next = DateTime.UtcNow + Interval;
                _shown = true;
                context.Out.Write($"\r{value.BytesRead / 1e6:N1} MB read, {value.Tokens:N0} of {value.VocabularySize:N0} tokens ");
            }
        }

        public void Dispose()
        {
            if (_shown)
            {
                context.Out.WriteLine();
            }
        }
    }
}
