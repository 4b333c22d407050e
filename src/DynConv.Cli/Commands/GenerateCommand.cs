using System.CommandLine;
using System.Text;
using DynConv.Models;
using DynConv.Models.Generation;
using DynConv.Models.Tokenizers;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv generate</c></summary>
internal static class GenerateCommand
{
    private const string Help = """
        Continues a text with a model.

        Example:
          dynconv generate --model runs/books --prompt "It was a dark" --max-tokens 200 --temperature 0.8
        """;

    public static Command Create(CliContext context)
    {
        Option<string> model = CommonOptions.Model();
        var prompt = new Option<string>("--prompt") { Description = "The text to continue.", Required = true, HelpName = "TEXT" };
        var maxTokens = new Option<int>("--max-tokens") { Description = "The most tokens to make.", HelpName = "N", DefaultValueFactory = static _ => 200 };
        var temperature = new Option<double>("--temperature") { Description = "Below 1 bolder, above 1 more varied, 0 always the likeliest token.", HelpName = "X", DefaultValueFactory = static _ => 1 };
        var topK = new Option<int>("--top-k") { Description = "Choose among this many of the likeliest tokens; 0 for no limit.", HelpName = "N" };
        var topP = new Option<double>("--top-p") { Description = "Choose among the likeliest tokens that together reach this probability.", HelpName = "X", DefaultValueFactory = static _ => 1 };
        var seed = new Option<ulong>("--seed") { Description = "The same seed gives the same text.", HelpName = "N" };
        Option<int?> threads = CommonOptions.Threads();
        Option<string> device = CommonOptions.Device();
        var command = new Command("generate", Help) { model, prompt, maxTokens, temperature, topK, topP, seed, threads, device };
        command.SetAction(parsed =>
        {
            CommonOptions.ApplyThreads(parsed.GetValue(threads));
            CommonOptions.CheckDevice(parsed.GetValue(device)!);
            var options = new SamplingOptions
            {
                Temperature = parsed.GetValue(temperature),
                TopK = parsed.GetValue(topK),
                TopP = parsed.GetValue(topP),
                Seed = parsed.GetValue(seed),
            };
            string folder = parsed.GetValue(model)!;
            using LanguageModel loaded = ModelFolder.Load(folder);
            Generate(context, loaded, TokenizerLoader.Load(folder), parsed.GetValue(prompt)!, parsed.GetValue(maxTokens), options.Validate());
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

        using var interrupts = new Interrupts(TextWriter.Null);
        var decoder = new StreamingDecoder(tokenizer);
        context.Out.Write(prompt);
        foreach (int token in TextGenerator.Generate(model, tokens, maxTokens, options, tokenizer.EndOfTextId, interrupts.Stop))
        {
            context.Out.Write(decoder.Append(token));
            context.Out.Flush();
        }

        context.Out.WriteLine(decoder.Finish());
    }
}
