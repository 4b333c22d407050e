using System.CommandLine;
using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Training;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv params</c></summary>
internal static class ParamsCommand
{
    private const string Help = """
        Counts a model's parameters by part.

        Example:
          dynconv params --preset 300m --conv lowrank --rank 16 --width 4 --placement qkv
        """;

    public static Command Create(CliContext context)
    {
        TrainingOptions options = TrainingOptions.ForModel(context.Mixers);
        var command = new Command("params", Help);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            TrainingConfiguration configuration = options.Read(parsed);
            int? vocabulary = configuration.Tokenizer?.Length > 0 ? TokenizerLoader.Load(configuration.Tokenizer).VocabularySize : null;
            ParameterCounts counts = ParameterCounts.Of(configuration.ModelConfiguration(vocabulary));
            foreach ((string part, long count) in counts.Parts)
            {
                context.Out.WriteLine($"{part,-20} {count,15:N0}");
            }

            context.Out.WriteLine($"total {counts.Total}");
            return CommandLineApplication.Success;
        });
        return command;
    }
}
