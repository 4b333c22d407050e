using Parquet;
using Parquet.Meta;
using Parquet.Schema;
using DataField = Parquet.Schema.DataField;
using Encoding = System.Text.Encoding;

namespace DynConv.Training.Data;

/// <summary>
/// Reads the texts of one column of a Parquet file, a row group at a time; the next one is decoded while the one before is
/// being used.
/// </summary>
/// <remarks>
/// In a row group the column may take 1 GiB at most, uncompressed, and as many rows as <see cref="MostRows"/>. In memory it
/// takes up to four times as much; only of small groups the next one is there too.
/// </remarks>
internal sealed class ParquetTextReader(TextFile file, TextOptions options, BadLines bad)
{
    private const long MostColumnBytes = 1L << 30;
    private const long AheadBytes = 1L << 27;
    private const long MostRows = 1 << 24;

    /// <summary>The texts in UTF-8; each is good until the next one is asked for.</summary>
    /// <param name="read">Told the share of the rows that have been read.</param>
    public IEnumerable<ReadOnlyMemory<byte>> Read(Action<double> read)
    {
        using var stream = Translate(() => new FileStream(file.FullName, FileMode.Open, FileAccess.Read, FileShare.Read));
        ParquetReader reader = Wait(() => ParquetReader.CreateAsync(stream));
        try
        {
            int groups = reader.RowGroupCount;
            DataField column = Translate(() => Column(reader.Schema));
            Task<Array>? next = null;
            try
            {
                long row = 0;
                for (int group = 0; group < groups; group++)
                {
                    int current = group;
                    Array texts = Wait(() => next ?? ReadGroup(reader, column, current));
                    next = group + 1 < groups && Translate(() => Size(reader, column, current + 1)) <= AheadBytes
                        ? Task.Run(() => ReadGroup(reader, column, current + 1))
                        : null;
                    foreach (object? text in texts)
                    {
                        row++;
                        if (text is null)
                        {
                            bad.Add(file.Name, $"row {row}", $"has nothing in the column '{options.TextField}'");
                            continue;
                        }

                        yield return text as byte[] ?? Encoding.UTF8.GetBytes((string)text);
                    }

                    read((group + 1.0) / groups);
                }
            }
            finally
            {
                // What is still being decoded must not outlive the file it is decoded from.
                next?.ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
            }
        }
        finally
        {
            reader.DisposeAsync().AsTask().Wait();
        }
    }

    private DataField Column(ParquetSchema schema)
    {
        Field? field = schema.Fields.FirstOrDefault(field => field.Name == options.TextField)
            ?? schema.Fields.FirstOrDefault(field => options.TextField.StartsWith(field.Name + ".", StringComparison.Ordinal));
        return field switch
        {
            null => throw new DamagedDataException(
                $"has no column '{options.TextField}'; it has {string.Join(", ", schema.Fields.Take(20).Select(static field => field.Name))}"),
            DataField { IsArray: false } data when IsText(data) => data,
            DataField { IsArray: false } => throw new DamagedDataException($"has a column '{field.Name}' that is not text"),
            _ => throw new DamagedDataException($"has a column '{field.Name}' that is a list or a group; only a plain column of text is read"),
        };
    }

    private static bool IsText(DataField field) => IsString(field) || field.ClrType == typeof(ReadOnlyMemory<byte>) || field.ClrType == typeof(byte[]);

    private static bool IsString(DataField field) => field.ClrType == typeof(ReadOnlyMemory<char>) || field.ClrType == typeof(string);

    private static long Size(ParquetReader reader, DataField column, int group)
    {
        using ParquetRowGroupReader rows = reader.OpenRowGroupReader(group);
        return Data(rows, column).TotalUncompressedSize;
    }

    private static ColumnMetaData Data(ParquetRowGroupReader rows, DataField column) =>
        rows.GetMetadata(column)?.MetaData ?? throw new InvalidDataException();

    private static async Task<Array> ReadGroup(ParquetReader reader, DataField column, int group)
    {
        using ParquetRowGroupReader rows = reader.OpenRowGroupReader(group);
        ColumnMetaData data = Data(rows, column);
        if (data.TotalUncompressedSize > MostColumnBytes || rows.RowCount > MostRows)
        {
            throw new DamagedDataException(
                $"has a row group of {rows.RowCount:N0} rows and {data.TotalUncompressedSize:N0} bytes of '{column.Name}'; up to {MostRows:N0} rows and {MostColumnBytes:N0} bytes are read at once, so write it with smaller row groups");
        }

        if (data.NumValues != rows.RowCount)
        {
            throw new InvalidDataException();
        }

        if (IsString(column))
        {
            var texts = new string?[(int)rows.RowCount];
            await rows.ReadAsync(column, texts.AsMemory()).ConfigureAwait(false);
            return texts;
        }

        var bytes = new byte[]?[(int)rows.RowCount];
        await rows.ReadAsync(column, bytes.AsMemory()).ConfigureAwait(false);
        return bytes;
    }

    private T Wait<T>(Func<Task<T>> read) => Translate(() => read().GetAwaiter().GetResult());

    // The package meets damage with whatever its code runs into.
    private T Translate<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DamagedDataException exception)
        {
            throw new DynConvException($"{file.Name} {exception.Message}.", exception);
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or FileNotFoundException)
        {
            throw new DynConvException($"{file.Name} cannot be read: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is not (DynConvException or OperationCanceledException or OutOfMemoryException))
        {
            throw new DynConvException($"{file.Name} is not a whole Parquet file, or is written in a way that is not read: it is truncated, damaged or encrypted.", exception);
        }
    }
}
