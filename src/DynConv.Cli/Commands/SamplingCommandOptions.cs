using System.CommandLine;
using DynConv.Models.Generation;

namespace DynConv.Cli.Commands;

/// <summary>The options that make up <see cref="SamplingOptions"/>.</summary>
internal sealed class SamplingCommandOptions
{
    private readonly Option<double?> _temperature = Real("--temperature", "Below 1 keeps closer to the likeliest tokens, above 1 is more varied; 0 is always the likeliest.", 1);
    private readonly Option<int?> _topK = CommonOptions.Number<int>("--top-k", "Choose among this many of the likeliest tokens; 0 for no limit.", least: 0);
    private readonly Option<double?> _topP = Real("--top-p", "Choose among the likeliest tokens that together reach this probability.", 1);
    private readonly Option<double?> _minP = Real("--min-p", "Choose among tokens at least this share as probable as the likeliest; 0 for no limit.", 0);
    private readonly Option<double?> _repetitionPenalty = Real("--repetition-penalty", "Above 1 makes tokens less likely that are in the text already.", 1);
    private readonly Option<ulong?> _seed = CommonOptions.Number<ulong>("--seed", "The same seed gives the same text.");

    public SamplingCommandOptions()
    {
        _topK.DefaultValueFactory = static _ => 0;
        _seed.DefaultValueFactory = static _ => 0;
    }

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_temperature, _topK, _topP, _minP, _repetitionPenalty, _seed])
        {
            command.Add(option);
        }
    }

    public SamplingOptions Read(ParseResult parsed) => new()
    {
        Temperature = parsed.GetValue(_temperature)!.Value,
        TopK = parsed.GetValue(_topK)!.Value,
        TopP = parsed.GetValue(_topP)!.Value,
        MinP = parsed.GetValue(_minP)!.Value,
        RepetitionPenalty = parsed.GetValue(_repetitionPenalty)!.Value,
        Seed = parsed.GetValue(_seed)!.Value,
    };

    private static Option<double?> Real(string name, string description, double otherwise)
    {
        Option<double?> option = CommonOptions.Number<double>(name, description, value: "X");
        option.DefaultValueFactory = _ => otherwise;
        return option;
    }
}
