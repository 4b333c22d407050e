using System.Globalization;

namespace DynConv.Ops;

/// <summary>The arguments of a call of an <see cref="OpDescription"/>: tensors by name, and settings as text.</summary>
/// <remarks>What the op needs besides, such as a table of angles, lives as long as the call: <see cref="Once{T}"/>.</remarks>
public sealed class OpCall : IDisposable
{
    private readonly (string Name, Tensor Tensor)[] _tensors;
    private readonly IReadOnlyDictionary<string, string> _settings;
    private readonly Dictionary<Type, IDisposable> _made = [];

    /// <summary>A call.</summary>
    /// <param name="tensors">Names and tensors, those that are not needed left out.</param>
    /// <param name="settings">Numbers and flags that are no tensors.</param>
    public OpCall(IEnumerable<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? settings = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        _tensors = [.. tensors];
        _settings = settings ?? new Dictionary<string, string>();
    }

    /// <summary>A tensor by its place among those given.</summary>
    /// <param name="place">From 0.</param>
    public Tensor this[int place] => _tensors[place].Tensor;

    /// <summary>A tensor by its name.</summary>
    /// <param name="name">Which.</param>
    /// <exception cref="DynConvException">It is not given.</exception>
    public Tensor this[string name] => Find(name) ?? throw new DynConvException($"there is no tensor {name}.");

    /// <summary>A tensor, or null if it is not given.</summary>
    /// <param name="name">Which.</param>
    public Tensor? Find(string name) => _tensors.FirstOrDefault(pair => pair.Name == name).Tensor;

    /// <summary>A number.</summary>
    /// <param name="key">Which.</param>
    /// <param name="usual">The default; null if the setting is required.</param>
    /// <exception cref="DynConvException">It is not given, or no number.</exception>
    public double Number(string key, double? usual = null)
    {
        if (!_settings.TryGetValue(key, out string? text))
        {
            return usual ?? throw new DynConvException($"there is no number {key}.");
        }

        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number
            : throw new DynConvException($"{key} has to be a number, and is {text}.");
    }

    /// <summary>A word, or null if it is not given.</summary>
    /// <param name="key">Which.</param>
    public string? Text(string key) => _settings.GetValueOrDefault(key);

    /// <summary>Whether a setting is <c>true</c>.</summary>
    /// <param name="key">Which.</param>
    public bool Flag(string key) => Text(key) == "true";

    /// <summary>The bounds of packed sequences, <c>cu_seqlens</c> among the tensors or the settings; null without.</summary>
    public PackedSequences? Packed()
    {
        if (_settings.TryGetValue("cu_seqlens", out string? text))
        {
            return Once(() => new PackedSequences([.. text.Split(' ').Select(static bound => long.Parse(bound, CultureInfo.InvariantCulture))]));
        }

        return Find("cu_seqlens") is { } bounds
            ? Once(() => new PackedSequences([.. bounds.ToArray<int>().Select(static bound => (long)bound)]))
            : null;
    }

    /// <summary>Makes something at the first run of the call and keeps it for the others.</summary>
    /// <typeparam name="T">Its type, of which a call has one.</typeparam>
    /// <param name="make">Makes it.</param>
    public T Once<T>(Func<T> make)
        where T : class, IDisposable
    {
        ArgumentNullException.ThrowIfNull(make);
        if (!_made.TryGetValue(typeof(T), out IDisposable? made))
        {
            _made[typeof(T)] = made = make();
        }

        return (T)made;
    }

    /// <summary>Disposes what was made for the call; the tensors are the caller's.</summary>
    public void Dispose()
    {
        foreach (IDisposable made in _made.Values)
        {
            made.Dispose();
        }
    }
}
