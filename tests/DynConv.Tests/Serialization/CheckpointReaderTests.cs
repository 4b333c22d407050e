using DynConv.Serialization;

namespace DynConv.Tests.Serialization;

public sealed class CheckpointReaderTests : IDisposable
{
    private const string First = "model-00001-of-00002.safetensors";
    private const string Second = "model-00002-of-00002.safetensors";

    private readonly TemporaryFolder _folder = new();
    private readonly TensorScope _scope = new();

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void One_file_and_several_are_read_alike()
    {
        WriteShards();
        AssertHoldsAandB(_folder.FullName);
        SafetensorsWriter.Write(_folder["model.safetensors"], [Pair("a", 1), Pair("b", 2)]);
        AssertHoldsAandB(_folder.FullName);
        AssertHoldsAandB(_folder["model.safetensors"]);
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        WriteShards();
        File.Delete(_folder[Second]);
        Assert.Equal($"{_folder[Second]} is missing, though model.safetensors.index.json lists it.", OpenFails());
    }

    [Fact]
    public void A_tensor_that_its_shard_lacks_is_named_with_the_shard()
    {
        WriteShards();
        SafetensorsWriter.Write(_folder[Second], [Pair("c", 2)]);
        Assert.Equal($"{_folder[Second]} has no tensor 'b', though model.safetensors.index.json says so.", OpenFails());
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"metadata\":{}}")]
    [InlineData("{\"weight_map\":{\"a\":1}}")]
    [InlineData("{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}")]
    public void A_malformed_index_is_refused(string index)
    {
        File.WriteAllText(_folder["model.safetensors.index.json"], index);
        Assert.Contains("is not an index of tensors", OpenFails());
    }

    [Theory]
    [InlineData("../secret.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("")]
    public void An_index_reaches_no_file_outside_its_folder(string file)
    {
        File.WriteAllText(_folder["model.safetensors.index.json"], $"{{\"weight_map\":{{\"a\":\"{file}\"}}}}");
        Assert.Contains("not a file in the same folder", OpenFails());
    }

    [Fact]
    public void A_folder_without_a_model_and_a_missing_path_are_refused()
    {
        Assert.Contains("holds no model", OpenFails());
        Assert.Contains("There is no file", Assert.Throws<DynConvException>(() => new CheckpointReader(_folder["none"])).Message);
    }

    private static void AssertHoldsAandB(string path)
    {
        using var reader = new CheckpointReader(path);
        Assert.Equal(["a", "b"], reader.Entries.Keys.Order());
        Assert.Equal(1f, reader.Read("a").Item());
        Tensor b = Tensor.Zeros([1]);
        reader.ReadInto("b", b);
        Assert.Equal(2f, b.Item());
        Assert.Equal($"{path} has no tensor 'c'.", Assert.Throws<DynConvException>(() => reader.Read("c")).Message);
    }

    private void WriteShards()
    {
        SafetensorsWriter.Write(_folder[First], [Pair("a", 1)]);
        SafetensorsWriter.Write(_folder[Second], [Pair("b", 2)]);
        AtomicFile.WriteAllText(
            _folder["model.safetensors.index.json"],
            $"{{\"metadata\":{{\"total_size\":8}},\"weight_map\":{{\"a\":\"{First}\",\"b\":\"{Second}\"}}}}");
    }

    private string OpenFails() => Assert.Throws<DynConvException>(() => new CheckpointReader(_folder.FullName)).Message;

    private static KeyValuePair<string, Tensor> Pair(string name, float value) => new(name, Tensor.From([value], [1]));
}
