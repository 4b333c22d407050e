using System.Text;
using System.Text.Json.Nodes;

namespace DynConv.Cli.Tests;

/// <summary>Bad input gets one clear line, exit code 1, and leaves nothing behind.</summary>
public sealed class BadInputTests(TinyRun tiny) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string, string> BadText => new()
    {
        { "empty.txt", "", "empty.txt is empty" },
        { "short.txt", "short", "one context of 16 needs 17" },
        { "binary.txt", "a\0b\u0001\u0002\0\0", "binary.txt is binary" },
        { "bad.jsonl", "{\"text\": \"one\"}\n{\"text\": two}\n", "bad.jsonl line 2" },
        { "fieldless.jsonl", "{\"text\": \"one\"}\n\n{\"txt\": \"two\"}\n", "fieldless.jsonl line 3 has no 'text' field" },
        { "number.jsonl", "{\"text\": 1}\n", "number.jsonl line 1" },
        { "broken.txt.gz", "not packed", "broken.txt.gz" },
    };

    public static TheoryData<string, string> BadSettings => new()
    {
        { "--rank 0", "rank is 0; it has to be at least 1" },
        { "--rank 2000000000", "rank is 2000000000" },
        { "--width 17", "width is 17; it can be 1 to 16" },
        { "--width 0", "width is 0; it can be 1 to 16" },
        { "--conv headwise --head-size 7", "Head size 7 does not divide the 16 channels of q; 1, 2, 4, 8, 16 do" },
        { "--placement q,x", "'x'" },
        { "--placement ,", "qkv, all, or some of" },
        { "--context 0", "context is 0" },
        { "--context 1000000", "one context of 1000000 needs 1000001" },
        { "--batch 0", "batch is 0" },
        { "--batch 2000000000", "batch of 2000000000" },
        { "--batch 1000000 --accumulate 2000000000", "accumulate is 2000000000" },
        { "--accumulate 0", "accumulate is 0" },
        { "--accumulate 2147483647", "it can be 1,048,576 at most" },
        { "--steps 9223372036854775807", "tokens a step it can be" },
        { "--tokens 9223372036854775807", "tokens is 9223372036854775807; it can be" },
        { "--tokens 0", "tokens is 0; it has to be at least 1" },
        { "--steps 0", "steps is 0" },
        { "--lr -1", "learning_rate is -1" },
        { "--lr nan", "learning_rate is NaN" },
        { "--preset huge", "There is no preset 'huge'; there are nano, nano-gdn, nano-mamba2, micro" },
        { "--device cuda:99", "There is no CUDA device" },
        { "--device cpu --dtype bfloat16", "bfloat16 needs a GPU" },
        { "--tokenizer nothing", "There is no tokenizer at nothing" },
    };

    public static TheoryData<string, string> BadFiles => new()
    {
        { "colour: blue", "line 1: there is no setting 'colour'" },
        { "preset: nano\nsteps: many", "line 2: 'many' stands where" },
        { "preset: nano\npreset: micro", "line 2: 'preset' is there twice" },
        { "steps: [1]", "line 1: a list stands where" },
        { "model: 3", "line 1: '3' stands where" },
        { "data: [a\n", "line" },
        { "steps: 1: 2", "line 1" },
        { "model:\n  attention_heads: 0", "0 heads do not divide" },
        { "model:\n  attention_heads: 3", "3 heads do not divide" },
        { "model:\n  layers: -1", "num_hidden_layers is -1" },
        { "steps: 3\ntokens: 3", "give one of the two" },
        { "conv: dense", "conv is 'dense'" },
    };

    public static TheoryData<string, string> DamagedModels => new()
    {
        { "truncated", "it is truncated" },
        { "header", "its header would take" },
        { "garbage", "not a safetensors file" },
        { "integers", "holds I32, which does not fit float32" },
        { "wider", "mlp.gate_proj.weight is [43, 16] in the weights, and the configuration makes it [44, 16]" },
        { "deeper", "model.layers.1.input_layernorm.weight [16], and the weights do not have it" },
        { "plain", "and the configuration has no place for it" },
        { "no config", "config.json" },
        { "no weights", "holds no model" },
        { "no tokenizer", "holds no tokenizer" },
        { "foreign type", "model_type is 'gpt2'" },
        { "malformed config", "config.json is not valid JSON" },
        { "empty weights", "model.safetensors" },
    };

    private string Out => _folder.At("new", "run");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(BadText))]
    public void Text_that_cannot_be_used_is_refused_by_train_and_named(string name, string content, string problem)
    {
        Refused(["train", "--config", tiny.Config, "--out", Out, "--data", _folder.Write(name, content)], problem);
        Refused([.. tiny.Train(Out), "--valid", _folder.At(name)], name == "short.txt" ? "The validation text is too short" : problem);
    }

    [Fact]
    public void Paths_without_text_are_refused()
    {
        _folder.Write("bytes.bin", [0, 1, 2]);
        string folder = _folder.Folder("binary");
        _folder.Write("binary/a.txt", [0, 255, 0, 1, 2, 3]);
        Refused(["train", "--config", tiny.Config, "--out", Out, "--data", _folder.At("missing")], "There is no file or folder", "missing");
        Refused(["train", "--config", tiny.Config, "--out", Out, "--data", _folder.At("bytes.bin")], "bytes.bin is binary");
        Refused(["train", "--config", tiny.Config, "--out", Out, "--data", folder], "There is no text in", "binary");
        Refused(["train", "--config", tiny.Config, "--out", Out, "--data", _folder.Folder("empty")], "There is no text in", "empty");
        Refused([.. tiny.Train(Out), "--valid", tiny.Text], "all of it is validation text");
    }

    [Fact]
    public void A_file_that_may_not_be_read_is_refused()
    {
        string path = _folder.Write("secret.txt", "secret");
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess)
        {
            Assert.Skip("This user may read every file.");
        }
        else
        {
            File.SetUnixFileMode(path, UnixFileMode.None);
        }

        Refused(["train", "--config", tiny.Config, "--out", Out, "--data", path], "secret.txt");
    }

    [Theory]
    [MemberData(nameof(BadSettings))]
    public void Settings_that_do_not_fit_are_refused_with_what_would(string options, string problem) =>
        Refused(tiny.Train(Out, options.Split(' ')), problem);

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void A_configuration_file_is_refused_with_its_line_and_what_is_wrong(string yaml, string problem) =>
        Refused(["train", "--config", _folder.Write("bad.yaml", yaml), "--data", tiny.Text, "--out", Out], problem);

    [Fact]
    public void A_configuration_file_that_is_missing_is_named() =>
        Refused(["train", "--config", _folder.At("nothing.yaml"), "--data", tiny.Text, "--out", Out], "nothing.yaml cannot be read");

    [Fact]
    public void A_folder_that_is_not_free_is_refused_and_stays_as_it_is()
    {
        string other = _folder.Folder("other");
        _folder.Write("other/notes.txt", "mine");
        CommandRun.Of(tiny.Train(other)).Failed(1, "holds other files");
        Assert.Equal([_folder.At("other", "notes.txt")], Directory.GetFileSystemEntries(other));

        byte[] before = File.ReadAllBytes(Path.Combine(tiny.Folder, "model.safetensors"));
        CommandRun.Of(tiny.Train(tiny.Folder)).Failed(1, "holds a run already", "--resume");
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(tiny.Folder, "model.safetensors")));

        CommandRun.Of(tiny.Train(tiny.Text)).Failed(1, "is a file; a run needs a folder");
        CommandRun.Of(tiny.Train(Path.Combine(tiny.Text, "below"))).Failed(1, "cannot be made");
    }

    [Fact]
    public void An_empty_folder_that_was_there_is_still_there_and_empty()
    {
        string folder = _folder.Folder("empty");
        CommandRun.Of(["train", "--config", tiny.Config, "--out", folder, "--data", _folder.Write("a.txt", "a")]).Failed(1, "too short");
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public void Only_a_run_can_be_resumed_and_only_as_it_was_started()
    {
        CommandRun.Of("train", "--out", _folder.At("none"), "--resume").Failed(1, "holds no run to resume");
        Assert.False(Directory.Exists(_folder.At("none")));
        CommandRun.Of("train", "--out", tiny.Folder, "--resume", "--batch", "99").Failed(1, "batch: 99", "run.yaml");
        CommandRun.Of("train", "--out", tiny.Folder, "--resume", "--steps", "20").Succeeded();
    }

    [Fact]
    public void Text_that_has_changed_cannot_be_trained_on_further()
    {
        string text = _folder.Write("text.txt", File.ReadAllText(tiny.Text));
        string run = _folder.At("run");
        CommandRun.Of("train", "--config", tiny.Config, "--data", text, "--out", run, "--steps", "2").Succeeded();
        File.AppendAllText(text, "One line more.\n");
        CommandRun.Of("train", "--out", run, "--resume").Failed(1, "The text has changed");
    }

    [Fact]
    public void A_loss_that_is_not_finite_names_the_step_and_the_op()
    {
        string config = _folder.Write("wild.yaml", File.ReadAllText(tiny.Config) + "\nclip_norm: 0\nlearning_rate: 10\nwarmup: 0\nweight_decay: 10\n");
        string loss = CommandRun.Of("train", "--config", config, "--data", tiny.Text, "--out", _folder.At("wild"), "--steps", "3000").Error;
        Assert.SkipWhen(loss.Length == 0, "The run survived its learning rate.");

        // Which of the two goes first, and whether an op does or only the sum of squares, depends on the machine's rounding.
        Assert.Matches(@"^error: Step \d+: the (loss|norm of the gradient) is .*\. (\w+ in .* produced a non-finite|Each value by itself is finite)", loss);
    }

    [Theory]
    [MemberData(nameof(DamagedModels))]
    public void A_damaged_model_is_refused_by_eval_and_generate(string damage, string problem)
    {
        string model = tiny.CopyModel(_folder.At("model"));
        Damage(model, damage);
        CommandRun.Of("eval", "--model", model, "--data", tiny.OtherText).Failed(1, problem);
        CommandRun generated = CommandRun.Of("generate", "--model", model, "--prompt", "x").Failed(1, problem);
        Assert.Equal("", generated.Output);
    }

    [Fact]
    public void Eval_refuses_what_it_cannot_measure()
    {
        CommandRun.Of("eval", "--model", _folder.At("none"), "--data", tiny.Text).Failed(1, "There is no model folder");
        CommandRun.Of("eval", "--model", tiny.Folder, "--data", _folder.At("none")).Failed(1, "There is no file or folder");
        CommandRun.Of("eval", "--model", tiny.Folder, "--data", tiny.Text, "--context", "17").Failed(1, "it can be 1 to 16");
        CommandRun.Of("eval", "--model", tiny.Folder, "--data", _folder.Write("a.txt", "a")).Failed(1, "too short");
    }

    [Fact]
    public void Long_work_finds_out_at_once_that_it_cannot_write()
    {
        string[] Train(string path, int size = 300) => ["tokenizer", "train", "--data", tiny.Text, "--vocab-size", $"{size}", "--out", path];
        CommandRun.Of(Train(_folder.At("no", "tokenizer.json"))).Failed(1, "There is no folder");
        CommandRun.Of(Train(_folder.Root)).Failed(1, "is a folder");
        CommandRun.Of(Train(_folder.At("tokenizer.json"), 100)).Failed(1, "A vocabulary of 100 is too small");
        CommandRun.Of("bench", "conv", "--json", _folder.At("no", "rows.json")).Failed(1, "There is no folder");
        CommandRun.Of("bench", "matmul", "--json", _folder.At("no", "rows.json")).Failed(1, "There is no folder");
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Root));
    }

    [Fact]
    public void A_number_of_threads_that_is_none_is_named_where_it_was_said()
    {
        using ChildProcess process = ChildProcess.StartAfter("export DYNCONV_THREADS=many", "info");
        process.Wait().Failed(1, "DYNCONV_THREADS is 'many'; use a whole number from 1.");
    }

    private void Refused(string[] arguments, params string[] words)
    {
        CommandRun.Of(arguments).Failed(1, words);
        Assert.False(Directory.Exists(_folder.At("new")), "Something was left behind.");
    }

    private static void Damage(string model, string damage)
    {
        string weights = Path.Combine(model, "model.safetensors");
        string config = Path.Combine(model, "config.json");
        byte[] bytes = File.ReadAllBytes(weights);
        switch (damage)
        {
            case "truncated":
                File.WriteAllBytes(weights, bytes[..^100]);
                break;
            case "header":
                BitConverter.GetBytes(long.MaxValue).CopyTo(bytes, 0);
                File.WriteAllBytes(weights, bytes);
                break;
            case "garbage":
                File.WriteAllBytes(weights, [.. Enumerable.Range(0, 5000).Select(i => (byte)((i * 7) ^ (i >> 3)))]);
                break;
            case "integers":
                File.WriteAllBytes(weights, Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(bytes).Replace("\"F32\"", "\"I32\"", StringComparison.Ordinal)));
                break;
            case "wider":
                Change(config, "intermediate_size", 44);
                break;
            case "deeper":
                Change(config, "num_hidden_layers", 2);
                break;
            case "plain":
                Change(config, "model_type", "llama");
                Change(config, "short_conv", null);
                break;
            case "foreign type":
                Change(config, "model_type", "gpt2");
                break;
            case "malformed config":
                File.WriteAllText(config, "{\n");
                break;
            case "empty weights":
                File.WriteAllText(weights, "");
                break;
            default:
                File.Delete(damage == "no config" ? config : damage == "no weights" ? weights : Path.Combine(model, "tokenizer.json"));
                break;
        }
    }

    private static void Change(string path, string key, JsonNode? value)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllText(path))!;
        root[key] = value;
        File.WriteAllText(path, root.ToJsonString());
    }
}
