using System.CommandLine;
using System.Globalization;
using DynConv.Cli.Display;
using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv eval</c></summary>
internal static class EvalCommand
{
    private const string Help = """
        Measures how well a model foretells a text.

        Example:
          dynconv eval --model runs/books --data other-books/
        """;

    public static Command Create(CliContext context)
    {
        Option<string> model = CommonOptions.Model();
        Option<string[]> data = CommonOptions.Data();
        Option<int?> length = CommonOptions.Number<int>("--context", "Tokens of a sequence; the model's own context if not given.", least: 1);
        Option<int?> batch = CommonOptions.Number<int>("--batch", "Sequences side by side; by the context if not given.", least: 1);
        var pack = new Option<bool>("--pack") { Description = "Documents in a sequence do not see one another, as in train --pack." };
        Option<bool> noTemplate = CommonOptions.NoTemplate();
        Option<int?> threads = CommonOptions.Threads();
        Option<string?> device = CommonOptions.Device();
        Option<string> computeType = CommonOptions.ComputeType();
        var reading = new TextReading();
        var command = new Command("eval", Help) { model, data, length, batch, pack, noTemplate, threads, device, computeType };
        reading.AddTo(command);
        command.SetAction(parsed =>
        {
            using IDisposable? limit = CommonOptions.LimitThreads(parsed.GetValue(threads));
            (LanguageModel loaded, ModelTokenizer tokenizer) = CommonOptions.Load(
                context, parsed.GetValue(model)!, parsed.GetValue(device), parsed.GetValue(computeType), parsed.GetValue(noTemplate));
            using LanguageModel owned = loaded;
            CommonOptions.Prepare(context, loaded.Device, loaded.ComputeType, () => Evaluator.Prepare(loaded, parsed.GetValue(pack)));
            using var interrupts = new Interrupts(context);
            context.Out.WriteLine(ResultLine(Evaluate(
                context, loaded, tokenizer.Tokenizer, parsed.GetValue(data)!, parsed.GetValue(length), parsed.GetValue(batch), parsed.GetValue(pack), reading.Read(parsed), interrupts.Stop)));
            return CommandLineApplication.Success;
        });
        return command;
    }

    private static EvaluationResult Evaluate(
        CliContext context, LanguageModel model, ITokenizer tokenizer, string[] paths, int? length, int? batch, bool pack, TextOptions text, CancellationToken stop)
    {
        using var display = new EvaluationDisplay(context, TimeProvider.System);
        return Evaluator.EvaluateText(model, tokenizer, paths, length, batch, pack, display, display, text, note => context.Error.WriteLine($"note: {note}"), stop);
    }

    /// <summary>The line that <c>train</c> and <c>eval</c> end with.</summary>
    public static string ResultLine(EvaluationResult result) => string.Create(
        CultureInfo.InvariantCulture,
        $"valid loss {result.Loss:0.000000} ppl {result.Perplexity:0.0000} bits/byte {result.BitsPerByte:0.000000}");
}
