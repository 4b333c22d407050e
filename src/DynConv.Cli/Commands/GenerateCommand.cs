using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using DynConv.Cli.Display;
using DynConv.Models;
using DynConv.Models.Generation;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv generate</c></summary>
internal static class GenerateCommand
{
    private const string Help = """
        Continues a text with a model.

        Prompt and text go to standard output, the speed to
        standard error. A terminal shows control characters in
        the text as �; a file or another program gets the bytes
        as they are.

        Example:
          dynconv generate --model runs/books --prompt "It was a dark" --max-tokens 200 --temperature 0.8
          dynconv generate --model runs/books --prompt-file chapter.txt --min-p 0.05 --repetition-penalty 1.1
          dynconv generate --model runs/books --prompt-file - --stop Question: < question.txt
        """;

    public static Command Create(CliContext context)
    {
        Option<string> model = CommonOptions.Model();
        var prompt = new Option<string?>("--prompt") { Description = "The text to continue.", HelpName = "TEXT" };
        var promptFile = new Option<string?>("--prompt-file") { Description = "A file with the text to continue, - for standard input; a line break at its end is left out.", HelpName = "F" };
        Option<int?> maxTokens = CommonOptions.Number<int>("--max-tokens", "The most tokens to make.", least: 0);
        maxTokens.DefaultValueFactory = static _ => 200;
        SamplingCommandOptions sampling = new();
        var stop = new Option<string[]>("--stop") { Description = "Texts that end the text and are left out of it.", HelpName = "TEXT", AllowMultipleArgumentsPerToken = true };
        Option<bool> noTemplate = CommonOptions.NoTemplate();
        Option<int?> threads = CommonOptions.Threads();
        Option<string?> device = CommonOptions.Device();
        Option<string> computeType = CommonOptions.ComputeType();
        var command = new Command("generate", Help) { model, prompt, promptFile, maxTokens };
        sampling.AddTo(command);
        foreach (Option option in (Option[])[stop, noTemplate, threads, device, computeType])
        {
            command.Add(option);
        }

        command.Validators.Add(result =>
        {
            if (IsGiven(result, prompt) == IsGiven(result, promptFile))
            {
                result.AddError("A text to continue is wanted: give one of --prompt and --prompt-file.");
            }
        });
        command.SetAction(parsed =>
        {
            using IDisposable? limit = CommonOptions.LimitThreads(parsed.GetValue(threads));
            SamplingOptions options = sampling.Read(parsed).Validate();
            byte[] text = parsed.GetValue(promptFile) is { } file ? PromptFile.Read(file, context.Input) : Encoding.UTF8.GetBytes(parsed.GetValue(prompt)!);
            (LanguageModel loaded, ModelTokenizer tokenizer) = CommonOptions.Load(
                context, parsed.GetValue(model)!, parsed.GetValue(device), parsed.GetValue(computeType), parsed.GetValue(noTemplate));
            using LanguageModel owned = loaded;
            CommonOptions.Prepare(context, loaded.Device, loaded.ComputeType, () => TextGenerator.Prepare(loaded));
            Generate(context, loaded, tokenizer, text, parsed.GetValue(maxTokens)!.Value, options, parsed.GetValue(stop) ?? []);
            return CommandLineApplication.Success;
        });
        return command;
    }

    private static bool IsGiven(CommandResult result, Option option) => result.GetResult(option) is { Implicit: false };

    private static void Generate(
        CliContext context, LanguageModel model, ModelTokenizer tokenizer, byte[] prompt, int maxTokens, SamplingOptions options, string[] stops)
    {
        // What a template puts behind a text would end it, and this one is to go on.
        var tokens = new List<int>(tokenizer.Tokenizer.Template.Before);
        tokenizer.Tokenizer.Encode(prompt, tokens);
        if (tokens.Count == 0 && tokenizer.Tokenizer.EndOfTextId is { } start)
        {
            tokens.Add(start);
        }

        NoteLongPrompt(context, tokens.Count, model.Configuration.MaxPositions);
        using var interrupts = new Interrupts(context);
        IEnumerable<int> made = TextGenerator.Generate(
            model, tokens, maxTokens, options, tokenizer.EndTokens, tokenizer.Tokenizer.Contains, interrupts.Stop);
        var text = new GeneratedText(tokenizer.Tokenizer, prompt.Length > 0 ? tokens[^1] : null, stops);
        var speed = new GenerationSpeed(tokens.Count);
        using (var output = new TextOutput(context))
        {
            output.Write(prompt);
            foreach (int token in made)
            {
                speed.Count();
                output.Write(text.Append(token));
                if (text.IsStopped)
                {
                    break;
                }
            }

            output.Write(text.Finish());
        }

        context.Error.WriteLine($"note: {speed}");
        interrupts.Stop.ThrowIfCancellationRequested();
    }

    private static void NoteLongPrompt(CliContext context, int tokens, int positions)
    {
        if (tokens > positions)
        {
            context.Error.WriteLine(
                $"note: the prompt has {tokens:N0} tokens and the model's context is {positions:N0}, so only the last {positions:N0} are read");
        }
    }

    /// <summary>How fast tokens come, the first one apart, which waits for the prompt.</summary>
    private sealed class GenerationSpeed(int promptTokens)
    {
        private readonly Stopwatch _watch = Stopwatch.StartNew();
        private double _first;
        private int _tokens;

        public void Count()
        {
            if (_tokens++ == 0)
            {
                _first = _watch.Elapsed.TotalSeconds;
            }
        }

        public override string ToString()
        {
            double rest = _watch.Elapsed.TotalSeconds - _first;
            string speed = _tokens > 1 && rest > 0
                ? string.Create(CultureInfo.InvariantCulture, $", {(_tokens - 1) / rest:N1} tokens/s after the first")
                : "";
            return string.Create(CultureInfo.InvariantCulture, $"{_tokens:N0} token{(_tokens == 1 ? "" : "s")} after a prompt of {promptTokens:N0}{speed}");
        }
    }
}
