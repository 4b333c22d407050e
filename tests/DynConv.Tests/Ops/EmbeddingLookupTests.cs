using DynConv.Ops;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Ops;

public sealed class EmbeddingLookupTests : OpTests<EmbeddingLookupTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
    [
        Case("repeated ids", 7, 5, [2, 3], [6, 0, 6, 6, 1, 0]),
        Case("one id", 3, 17, [], [2]),
        Case("no ids", 3, 4, [0], []),
        Case("many channel blocks", 11, 300, [160], [.. Enumerable.Range(0, 160).Select(i => i * i % 11)]),
        Case("an id many times", 3, 24, [2, 70], [.. Enumerable.Range(0, 140).Select(i => i % 9 == 0 ? 2 : 1)]),
    ];

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    public void An_id_outside_the_table_is_refused(int id)
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => EmbeddingLookup.Apply(Tensor.Zeros([4, 2]), Tensor.From([0, id], [2])));
        Assert.Equal($"embedding: id {id} lies outside the table of 4 rows.", error.Message);
    }

    [Fact]
    public void Ids_that_are_not_whole_numbers_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => EmbeddingLookup.Apply(Tensor.Zeros([4, 2]), Tensor.Zeros([2])));
        Assert.Equal("embedding: ids have to be int32, not float32.", error.Message);
    }

    [Fact]
    public void A_weight_of_another_rank_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => EmbeddingLookup.Apply(Tensor.Zeros([4]), Tensor.Zeros([2], DType.Int32)));
        Assert.Equal("embedding: weight has to be [V, D], not [4].", error.Message);
    }

    [Fact]
    public void Ids_may_be_strided()
    {
        using var scope = new TensorScope();
        Tensor weight = Tensor.From([0f, 10f, 20f], [3, 1]);
        Tensor ids = Tensor.From([0, 1, 2, 2], [2, 2]).Transpose(0, 1);
        Assert.Equal([0f, 20f, 10f, 20f], EmbeddingLookup.Apply(weight, ids).ToArray<float>());
    }

    [Fact]
    public void A_float32_table_gives_rows_of_bfloat16_on_a_card()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor weight = Tensor.From([0f, 1.00390625f, 2f, 3f], [2, 2], device).RequireGradient();
        Tensor y = EmbeddingLookup.Apply(weight, Tensor.From([0, 0, 1], [3], device), DType.BFloat16);
        Assert.Equal(DType.BFloat16, y.DType);
        Assert.Equal([0f, 1f, 0f, 1f, 2f, 3f], y.To(DType.Float32).ToArray<float>());
        tape.Backward(y, Tensor.From([1f, 2f, 0.0078125f, 3f, 4f, 5f], [3, 2], device).To(DType.BFloat16));
        Assert.Equal([1.0078125f, 5f, 4f, 5f], weight.Gradient!.ToArray<float>());
        weight.ClearGradient();
    }

    [Fact]
    public void An_id_outside_the_table_gives_NaN_and_no_gradient_on_a_card()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor weight = Tensor.From([1f, 2f], [2, 1], device).RequireGradient();
        Tensor y = EmbeddingLookup.Apply(weight, Tensor.From([2, 1, -1], [3], device));
        Assert.Equal([float.NaN, 2f, float.NaN], y.ToArray<float>());
        tape.Backward(y, Tensor.From([5f, 6f, 7f], [3, 1], device));
        Assert.Equal([0f, 6f], weight.Gradient!.ToArray<float>());
        weight.ClearGradient();
    }

    private static OpCase Case(string name, int rows, int d, Shape shape, int[] ids) => OpCase.Of(
        name, EmbeddingLookup.Description, [[rows, d], shape], x => [[.. x[1].SelectMany(id => x[0].Skip((int)id * d).Take(d))]])
        .With("ids", input => input with { Integers = ids });
}
