using System.CommandLine;
using System.Text;
using DynConv.Cli.Display;
using DynConv.Models;
using DynConv.Models.Generation;
using DynConv.Models.Tokenizers;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv generate</c></summary>
internal static class GenerateCommand
{
    private const string Help = """
        Continues a text with a model.

        A terminal shows control characters in the text as �;
        a file or another program gets them as they are.

        Example:
          dynconv generate --model runs/books --prompt "It was a dark" --max-tokens 200 --temperature 0.8
        """;

    public static Command Create(CliContext context)
    {
        Option<string> model = CommonOptions.Model();
        var prompt = new Option<string>("--prompt") { Description = "The text to continue.", Required = true, HelpName = "TEXT" };
        Option<int?> maxTokens = CommonOptions.Number<int>("--max-tokens", "The most tokens to make.", least: 0);
        maxTokens.DefaultValueFactory = static _ => 200;
        Option<double?> temperature = CommonOptions.Number<double>("--temperature", "Below 1 bolder, above 1 more varied, 0 always the likeliest token.", value: "X");
        temperature.DefaultValueFactory = static _ => 1;
        Option<int?> topK = CommonOptions.Number<int>("--top-k", "Choose among this many of the likeliest tokens; 0 for no limit.", least: 0);
        topK.DefaultValueFactory = static _ => 0;
        Option<double?> topP = CommonOptions.Number<double>("--top-p", "Choose among the likeliest tokens that together reach this probability.", value: "X");
        topP.DefaultValueFactory = static _ => 1;
        Option<ulong?> seed = CommonOptions.Number<ulong>("--seed", "The same seed gives the same text.");
        seed.DefaultValueFactory = static _ => 0;
        Option<int?> threads = CommonOptions.Threads();
        Option<string?> device = CommonOptions.Device();
        Option<string> computeType = CommonOptions.ComputeType();
        var command = new Command("generate", Help) { model, prompt, maxTokens, temperature, topK, topP, seed, threads, device, computeType };
        command.SetAction(parsed =>
        {
            CommonOptions.ApplyThreads(parsed.GetValue(threads));
            var options = new SamplingOptions
            {
                Temperature = parsed.GetValue(temperature)!.Value,
                TopK = parsed.GetValue(topK)!.Value,
                TopP = parsed.GetValue(topP)!.Value,
                Seed = parsed.GetValue(seed)!.Value,
            };
            string folder = CommonOptions.FindModel(context, parsed.GetValue(model)!);
            using LanguageModel loaded = CommonOptions.Load(context, folder, parsed.GetValue(device), parsed.GetValue(computeType));
            CommonOptions.Prepare(context, loaded.Device, loaded.ComputeType, () => TextGenerator.Prepare(loaded));
            Generate(context, loaded, TokenizerLoader.Load(folder), parsed.GetValue(prompt)!, parsed.GetValue(maxTokens)!.Value, options.Validate());
            return CommandLineApplication.Success;
        });
        return command;
    }

    private static void Generate(
        CliContext context, LanguageModel model, ITokenizer tokenizer, string prompt, int maxTokens, SamplingOptions options)
    {
        var tokens = new List<int>();
        tokenizer.Encode(Encoding.UTF8.GetBytes(prompt), tokens);
        if (tokens.Count == 0 && tokenizer.EndOfTextId is { } start)
        {
            tokens.Add(start);
        }

        using var interrupts = new Interrupts(context);
        IEnumerable<int> made = TextGenerator.Generate(
            model, tokens, maxTokens, options, tokenizer.EndOfTextId, interrupts.Stop);
        var decoder = new StreamingDecoder(tokenizer);
        Write(context, prompt);
        foreach (int token in made)
        {
            Write(context, decoder.Append(token));
        }

        Write(context, decoder.Finish());
        context.Out.WriteLine();
        interrupts.Stop.ThrowIfCancellationRequested();
    }

    // A file or a program gets the text as it is; a terminal would obey its control characters.
    private static void Write(CliContext context, string text)
    {
        context.Out.Write(context.IsInteractive ? Printable.Text(text) : text);
        context.Out.Flush();
    }
}
