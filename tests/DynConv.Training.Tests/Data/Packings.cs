using Parquet;
using Parquet.Schema;

namespace DynConv.Training.Tests.Data;

/// <summary>Writes what the readers have to read, by the same packages.</summary>
internal static class Packings
{
    public static byte[] Zstandard(byte[] content)
    {
        using var compressor = new ZstdSharp.Compressor();
        return compressor.Wrap(content).ToArray();
    }

    /// <summary>A table with a number and a text in each row.</summary>
    public static byte[] Parquet(string?[] texts, int rowsOfGroup = 3, CompressionMethod compression = CompressionMethod.Snappy, string column = "text")
    {
        var id = new DataField<int>("id");
        var text = new DataField(column, typeof(string), isNullable: true);
        return Write(new ParquetSchema(id, text), texts.Chunk(rowsOfGroup), compression, async (group, rows) =>
        {
            await group.WriteAsync<int>(id, Enumerable.Range(0, rows.Length).ToArray().AsMemory());
            await group.WriteAsync(text, (IReadOnlyCollection<string>)rows!);
        });
    }

    /// <summary>A table whose column <c>text</c> has a group in each row, and <c>id</c> a number.</summary>
    public static byte[] ParquetOfGroups()
    {
        var inner = new DataField<int>("inner");
        var id = new DataField<int>("id");
        return Write(new ParquetSchema(new StructField("text", inner), id), [[1, 2]], CompressionMethod.None, async (group, rows) =>
        {
            int[] levels = [.. Enumerable.Repeat(inner.MaxDefinitionLevel, rows.Length)];
            await group.WriteAllPartsAsync<int>(inner, rows.AsMemory(), (ReadOnlyMemory<int>?)levels.AsMemory(), null, CancellationToken.None);
            await group.WriteAsync<int>(id, rows);
        });
    }

    private static byte[] Write<T>(
        ParquetSchema schema, IEnumerable<T[]> groups, CompressionMethod compression, Func<ParquetRowGroupWriter, T[], Task> write)
    {
        using var stream = new MemoryStream();
        Task.Run(async () =>
        {
            await using ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream, new ParquetOptions { CompressionMethod = compression });
            foreach (T[] rows in groups)
            {
                using ParquetRowGroupWriter group = writer.CreateRowGroup();
                await write(group, rows);
            }
        }).GetAwaiter().GetResult();
        return stream.ToArray();
    }
}
