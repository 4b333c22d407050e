using System.Text;
using System.Text.Json.Nodes;
using DynConv.Serialization;
using DynConv.Tests;

namespace DynConv.Models.Tests;

/// <summary>The files of a model's folder, damaged: a model, or a sentence; no more memory than the file is worth.</summary>
public sealed class FolderFuzzTests : IDisposable
{
    private static readonly string[] Variants = ["none", "none qknorm", "lowrank qkv", "headwise all qknorm untied", "mixed"];

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dynconv-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Configurations()
    {
        byte[][] samples =
        [
            .. Variants.Select(variant => Encoding.UTF8.GetBytes(ConfigurationFile.ToJson(TinyModels.Shape(variant), 3))),
            .. Directory.GetFiles(Path.Combine(Repository.Folder, "tests", "golden", "hf"), "config.json", SearchOption.AllDirectories).Select(File.ReadAllBytes),
        ];
        FuzzResult result = Fuzz.Files("config.json", "config.json", samples, path => ConfigurationFile.Read(path));
        Assert.True(result.Refused > 20, $"{result}");
    }

    [Theory]
    [InlineData("none")]
    [InlineData("mixed")]
    public void Configurations_beside_their_weights(string variant)
    {
        string model = Saved(variant);
        byte[] weights = File.ReadAllBytes(Path.Combine(model, CheckpointReader.FileName));
        Fuzz.Files($"config.json with weights, {variant}", "config.json", [File.ReadAllBytes(Path.Combine(model, "config.json"))], path =>
        {
            File.WriteAllBytes(Path.Combine(Path.GetDirectoryName(path)!, CheckpointReader.FileName), weights);
            ModelFolder.Load(Path.GetDirectoryName(path)!).Dispose();
        });
    }

    [Theory]
    [InlineData("none")]
    [InlineData("lowrank qkv")]
    public void Weights_beside_their_configuration(string variant)
    {
        string model = Saved(variant);
        byte[] configuration = File.ReadAllBytes(Path.Combine(model, "config.json"));

        // Most of a file of weights is numbers, and any numbers will do: the header is what can be wrong.
        byte[] weights = File.ReadAllBytes(Path.Combine(model, CheckpointReader.FileName));
        int header = 8 + BitConverter.ToInt32(weights);
        byte[] data = weights[header..];
        Fuzz.Files($"model.safetensors, {variant}", CheckpointReader.FileName, [weights[..header]], path =>
        {
            string folder = Path.GetDirectoryName(path)!;
            File.WriteAllBytes(Path.Combine(folder, "config.json"), configuration);
            File.WriteAllBytes(path, [.. File.ReadAllBytes(path), .. data]);
            ModelFolder.Load(folder).Dispose();
        });
    }

    [Fact]
    public void Indices_of_weights_in_several_files()
    {
        string model = Saved("none");
        byte[] configuration = File.ReadAllBytes(Path.Combine(model, "config.json"));
        byte[] weights = File.ReadAllBytes(Path.Combine(model, CheckpointReader.FileName));
        using var reader = new CheckpointReader(model);
        var index = new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = 1 },
            ["weight_map"] = new JsonObject(reader.Entries.Keys.Select(name => KeyValuePair.Create(name, (JsonNode?)"model-1-of-1.safetensors"))),
        };
        Fuzz.Files("model.safetensors.index.json", CheckpointReader.IndexName, [Encoding.UTF8.GetBytes(index.ToJsonString())], path =>
        {
            string folder = Path.GetDirectoryName(path)!;
            File.WriteAllBytes(Path.Combine(folder, "config.json"), configuration);
            File.WriteAllBytes(Path.Combine(folder, "model-1-of-1.safetensors"), weights);
            ModelFolder.Load(folder).Dispose();
        });
    }

    private string Saved(string variant)
    {
        using LanguageModel model = TinyModels.Random(variant);
        string folder = Path.Combine(_folder.FullName, "model");
        ModelFolder.Save(folder, model);
        return folder;
    }
}
