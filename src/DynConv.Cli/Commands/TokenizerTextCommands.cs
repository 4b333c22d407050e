using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DynConv.Models.Tokenizers;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv tokenizer encode</c>, <c>decode</c> and <c>count</c>: a line in, a line out.</summary>
internal static class TokenizerTextCommands
{
    private const string EncodeHelp = """
        Writes the ids of each line of standard input, with those that the tokenizer puts around a text.

        Example:
          dynconv tokenizer encode --tokenizer runs/books < lines.txt
          dynconv tokenizer encode --tokenizer tokenizer.json --json < texts.jsonl
        """;

    private const string DecodeHelp = """
        Writes the text of each line of ids of standard input.

        Example:
          dynconv tokenizer decode --tokenizer runs/books < ids.txt
        """;

    private const string CountHelp = """
        Writes the number of ids of each line of standard input, with those that the tokenizer puts around a text.

        Example:
          dynconv tokenizer count --tokenizer runs/books < lines.txt
        """;

    private static readonly char[] BetweenIds = [' ', '\t', ',', '\r'];

    public static Command CreateEncode(CliContext context)
    {
        Option<bool> json = Json("Each line in is a JSON string, and each line out an array of ids.");
        return CreateForTexts(context, "encode", EncodeHelp, json, static (ids, isJson) => isJson
            ? $"[{string.Join(',', ids)}]"
            : string.Join(' ', ids));
    }

    public static Command CreateCount(CliContext context)
    {
        Option<bool> json = Json("Each line in is a JSON string.");
        return CreateForTexts(context, "count", CountHelp, json, static (ids, _) => ids.Count.ToString(CultureInfo.InvariantCulture));
    }

    public static Command CreateDecode(CliContext context)
    {
        Option<string> tokenizer = Tokenizer();
        Option<bool> json = Json("Each line in is an array of ids, and each line out a JSON string.");
        var command = new Command("decode", DecodeHelp) { tokenizer, json };
        command.SetAction(parsed =>
        {
            ITokenizer loaded = TokenizerLoader.Load(parsed.GetValue(tokenizer)!);
            bool isJson = parsed.GetValue(json);
            return ForEachLine(context, (line, number) =>
            {
                string text = loaded.DecodeText(ReadIds(Encoding.UTF8.GetString(line), isJson, number));
                return isJson ? JsonSerializer.Serialize(text) : text;
            });
        });
        return command;
    }

    private static Command CreateForTexts(
        CliContext context, string name, string help, Option<bool> json, Func<List<int>, bool, string> write)
    {
        Option<string> tokenizer = Tokenizer();
        var noTemplate = new Option<bool>("--no-template") { Description = "Leave out the ids that the tokenizer puts around a text." };
        var plain = new Option<bool>("--plain") { Description = "Names of special tokens in the text are text like any other." };
        var command = new Command(name, help) { tokenizer, json, noTemplate, plain };
        command.SetAction(parsed =>
        {
            ITokenizer loaded = TokenizerLoader.Load(parsed.GetValue(tokenizer)!);
            bool isJson = parsed.GetValue(json);
            bool withTemplate = !parsed.GetValue(noTemplate);
            var options = new EncodeOptions { SpecialTokens = parsed.GetValue(plain) ? SpecialTokens.Spell : SpecialTokens.Find };
            List<int> ids = [];
            return ForEachLine(context, (line, number) =>
            {
                ids.Clear();
                byte[] text = isJson ? JsonString.Read(line) ?? throw NotJson(number, "string") : line;
                if (withTemplate)
                {
                    loaded.EncodeWithTemplate(text, ids, options);
                }
                else
                {
                    loaded.Encode(text, ids, options);
                }

                return write(ids, isJson);
            });
        });
        return command;
    }

    private static int ForEachLine(CliContext context, Func<byte[], long, string> answer)
    {
        var lines = new InputLines(context.Input);
        for (long number = 1; lines.Read() is { } line; number++)
        {
            context.Out.WriteLine(answer(line, number));
            context.Out.Flush();
        }

        return CommandLineApplication.Success;
    }

    private static int[] ReadIds(string line, bool isJson, long number)
    {
        if (isJson)
        {
            try
            {
                return JsonSerializer.Deserialize<int[]>(line) ?? throw NotJson(number, "array of ids");
            }
            catch (JsonException)
            {
                throw NotJson(number, "array of ids");
            }
        }

        string[] words = line.Split(BetweenIds, StringSplitOptions.RemoveEmptyEntries);
        return Array.ConvertAll(words, word => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            ? id
            : throw new DynConvException($"Line {number} of the input has '{Short(word)}', which is not an id."));
    }

    private static DynConvException NotJson(long number, string what) => new($"Line {number} of the input is not a JSON {what}.");

    private static string Short(string word) => word.Length <= 40 ? word : $"{word[..40]}…";

    private static Option<string> Tokenizer() => new("--tokenizer")
    {
        Description = $"A tokenizer.json, a folder with one, such as a model's or a run's, or '{TokenizerLoader.Bytes}'.",
        Required = true,
        HelpName = "FILE",
    };

    private static Option<bool> Json(string description) => new("--json") { Description = description };
}
