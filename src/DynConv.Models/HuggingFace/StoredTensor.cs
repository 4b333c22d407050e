using DynConv.Diagnostics;
using DynConv.Modules;

namespace DynConv.Models.HuggingFace;

/// <summary>A tensor of a checkpoint, and the parameters that it is made of.</summary>
internal sealed class StoredTensor
{
    private readonly StoredPlace _place;

    private StoredTensor(StoredPlace place, KeyValuePair<string, Parameter>[] parts)
    {
        _place = place;
        Parts = parts;
    }

    /// <summary>The tensors that parameters are kept in, in the order in which the model names the first part of each.</summary>
    /// <param name="parameters">By the model's names.</param>
    /// <param name="place">Where the file keeps each.</param>
    public static IEnumerable<StoredTensor> Of(IEnumerable<KeyValuePair<string, Parameter>> parameters, Func<string, StoredPlace> place) =>
        from parameter in parameters
        group parameter by place(parameter.Key).Tensor into parts
        select new StoredTensor(place(parts.First().Key), [.. parts.OrderBy(part => place(part.Key).Order)]);

    /// <summary>In the file.</summary>
    public string Name => _place.Tensor;

    /// <summary>The parameters in it, by the model's names.</summary>
    public IReadOnlyList<KeyValuePair<string, Parameter>> Parts { get; }

    /// <summary>Its dimensions in the file.</summary>
    public Shape Shape => ShapeOf(Parts.Select(part => part.Value.Shape));

    /// <summary>Reads the parameters.</summary>
    /// <param name="read">Reads a tensor of the checkpoint into one that is there.</param>
    /// <param name="name">The tensor, if it has another name there.</param>
    public void ReadFrom(Action<string, Tensor> read, string name)
    {
        using var scope = new TensorScope();
        if (IsParameter)
        {
            read(name, Parts[0].Value.Tensor);
            return;
        }

        Tensor whole = Tensor.Empty(Shape);
        read(name, whole);
        Split(whole.ToArray<float>());
    }

    /// <summary>The tensor as the file has it: the parameter itself, or a copy in main memory.</summary>
    public Tensor Join() => IsParameter ? Parts[0].Value.Tensor : Tensor.From(Join(HostTensor.Of).Values, Shape);

    /// <summary>The same of something that belongs to each parameter, as its gradient.</summary>
    /// <param name="of">What belongs to a parameter, of its shape.</param>
    public HostTensor Join(Func<Tensor, HostTensor> of)
    {
        HostTensor[] parts = [.. Parts.Select(part => of(part.Value.Tensor))];
        if (IsParameter)
        {
            return parts[0];
        }

        float[][] values = [.. parts.Select(part => _place.IsConvolution ? ByChannel(part) : part.Values)];
        var joined = new float[values.Sum(part => part.Length)];
        Span<float> rest = joined;
        foreach ((int part, Range range) in Pieces(values))
        {
            ReadOnlySpan<float> piece = values[part].AsSpan(range);
            piece.CopyTo(rest);
            rest = rest[piece.Length..];
        }

        return new HostTensor(ShapeOf(parts.Select(part => part.Shape)), joined);
    }

    private bool IsParameter => Parts.Count == 1 && !_place.IsConvolution;

    private void Split(ReadOnlySpan<float> joined)
    {
        float[][] values = [.. Parts.Select(part => new float[part.Value.Shape.Count])];
        foreach ((int part, Range range) in Pieces(values))
        {
            Span<float> piece = values[part].AsSpan(range);
            joined[..piece.Length].CopyTo(piece);
            joined = joined[piece.Length..];
        }

        foreach ((KeyValuePair<string, Parameter> part, float[] own) in Parts.Zip(values))
        {
            Shape shape = part.Value.Shape;
            part.Value.Tensor.Detach().CopyFrom(Tensor.From(_place.IsConvolution ? ByTap(own, shape) : own, shape));
        }
    }

    /// <summary>Which stretch of which part follows which in the file.</summary>
    private IEnumerable<(int Part, Range Range)> Pieces(float[][] values)
    {
        for (int group = 0; group < _place.Groups; group++)
        {
            for (int part = 0; part < values.Length; part++)
            {
                int length = values[part].Length / _place.Groups;
                yield return (part, (group * length)..((group + 1) * length));
            }
        }
    }

    private Shape ShapeOf(IEnumerable<Shape> parts)
    {
        Shape[] shapes = [.. parts];
        return _place.IsConvolution
            ? [shapes.Sum(shape => shape[1]), 1, shapes[0][0]]
            : shapes[0].With(0, shapes.Sum(shape => shape[0]));
    }

    private static float[] ByChannel(HostTensor taps)
    {
        (int width, int channels) = ((int)taps.Shape[0], (int)taps.Shape[1]);
        return [.. Enumerable.Range(0, taps.Values.Length).Select(i => taps.Values[((width - 1 - (i % width)) * channels) + (i / width)])];
    }

    private static float[] ByTap(float[] values, Shape shape)
    {
        (int width, int channels) = ((int)shape[0], (int)shape[1]);
        return [.. Enumerable.Range(0, values.Length).Select(i => values[(i % channels * width) + width - 1 - (i / channels)])];
    }
}
