using System.Text.Json;

namespace DynConv.Serialization;

/// <summary>
/// The tensors of a model folder as Hugging Face lays it out: all in <c>model.safetensors</c>, or in several files that
/// <c>model.safetensors.index.json</c> lists. Whoever reads them need not know which.
/// </summary>
public sealed class CheckpointReader : IDisposable
{
    /// <summary>The file that holds all tensors of a model that is not split.</summary>
    public const string FileName = "model.safetensors";

    /// <summary>The file that says which part of a split model holds which tensor.</summary>
    public const string IndexName = "model.safetensors.index.json";

    private readonly Dictionary<string, SafetensorsReader> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsReader> _owners = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);

    /// <summary>Opens a model folder, or a single safetensors file.</summary>
    /// <param name="path">The folder or file. A folder that has both layouts is read from its one file.</param>
    /// <exception cref="DynConvException">There is no model, a part is missing, or a file is damaged.</exception>
    public CheckpointReader(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        CheckpointPath = path;
        try
        {
            if (Directory.Exists(path))
            {
                OpenFolder();
            }
            else
            {
                AddFile(path);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The folder or file, as it was given.</summary>
    public string CheckpointPath { get; }

    /// <summary>
    /// All tensors by name; byte ranges are those in the file that holds the tensor. Of weights that share their values some
    /// writers store one and put the other names into the file's metadata, each with the name that is stored: all of these are
    /// here, with the entry of the one that is stored.
    /// </summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Contains(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _entries.ContainsKey(name);
    }

    /// <inheritdoc cref="SafetensorsReader.Read"/>
    public Tensor Read(string name, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Owner(name).Read(_entries[name].Name, device);
    }

    /// <inheritdoc cref="SafetensorsReader.ReadInto"/>
    public void ReadInto(string name, Tensor destination)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(destination);
        Owner(name).ReadInto(_entries[name].Name, destination);
    }

    /// <summary>The file that holds a tensor, for messages about it.</summary>
    /// <param name="name">One of <see cref="Entries"/>.</param>
    public string FileOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Owner(name).FilePath;
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (SafetensorsReader file in _files.Values)
        {
            file.Dispose();
        }
    }

    private SafetensorsReader Owner(string name) => _owners.TryGetValue(name, out SafetensorsReader? owner)
        ? owner
        : throw new DynConvException($"{CheckpointPath} has no tensor '{name}'.");

    private void OpenFolder()
    {
        string single = Path.Combine(CheckpointPath, FileName);
        string index = Path.Combine(CheckpointPath, IndexName);
        if (File.Exists(single))
        {
            AddFile(single);
        }
        else if (File.Exists(index))
        {
            AddShards(index);
        }
        else
        {
            throw new DynConvException($"{CheckpointPath} holds no model: there is neither {FileName} nor {IndexName}.");
        }
    }

    private void AddFile(string path)
    {
        var reader = new SafetensorsReader(path);
        _files.Add(path, reader);
        foreach (string name in reader.Entries.Keys)
        {
            Add(name, reader);
        }

        AddAliases(reader);
    }

    private void AddShards(string index)
    {
        foreach ((string name, string file) in ReadIndex(index))
        {
            if (!_files.TryGetValue(file, out SafetensorsReader? reader))
            {
                reader = OpenShard(index, file);
                _files.Add(file, reader);
            }

            if (!reader.Contains(name))
            {
                throw new DynConvException($"{reader.FilePath} has no tensor '{name}', though {IndexName} says so.");
            }

            Add(name, reader);
        }

        foreach (SafetensorsReader reader in _files.Values)
        {
            AddAliases(reader);
        }
    }

    private SafetensorsReader OpenShard(string index, string file)
    {
        if (file.Length == 0 || Path.GetFileName(file) != file)
        {
            throw new DynConvException($"{index} names '{file}', which is not a file in the same folder.");
        }

        string path = Path.Combine(CheckpointPath, file);
        return File.Exists(path)
            ? new SafetensorsReader(path)
            : throw new DynConvException($"{path} is missing, though {IndexName} lists it.");
    }

    private void Add(string name, SafetensorsReader reader)
    {
        _owners.Add(name, reader);
        _entries.Add(name, reader.Entries[name]);
    }

    private void AddAliases(SafetensorsReader reader)
    {
        foreach ((string name, string stored) in reader.Metadata)
        {
            if (reader.Entries.TryGetValue(stored, out SafetensorsEntry? entry) && _entries.TryAdd(name, entry))
            {
                _owners.Add(name, reader);
            }
        }
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(
                File.ReadAllBytes(path), new JsonDocumentOptions { AllowDuplicateProperties = false });
            return document.RootElement.GetProperty("weight_map").EnumerateObject().ToDictionary(
                property => property.Name, property => property.Value.GetString() ?? "", StringComparer.Ordinal);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new DynConvException(
                $"{path} is not an index of tensors: a JSON object with a 'weight_map' from tensor names to files.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
