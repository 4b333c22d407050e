using DynConv.Serialization;

namespace DynConv.Modules;

/// <summary>Something with parameters: a layer, or a model made of layers.</summary>
/// <remarks>
/// A module owns its parameters and its child modules, in the order in which it adds them, and disposes them. Names
/// join with dots, as in <c>model.layers.0.self_attn.q_proj.weight</c>. Modules that are given one <see cref="RandomSource"/> start
/// alike: each wants its own, <c>random.Fork(name)</c>.
/// </remarks>
public abstract class Module : IDisposable
{
    private readonly List<(string Name, object Member)> _members = [];

    /// <summary>Makes a module without parameters.</summary>
    protected Module()
    {
    }

    /// <summary>All parameters of the module and its children, in a fixed order.</summary>
    public IEnumerable<KeyValuePair<string, Parameter>> NamedParameters()
    {
        foreach ((string name, object member) in _members)
        {
            if (member is Parameter parameter)
            {
                yield return new(name, parameter);
                continue;
            }

            foreach ((string inner, Parameter innerParameter) in ((Module)member).NamedParameters())
            {
                yield return new(name.Length == 0 ? inner : $"{name}.{inner}", innerParameter);
            }
        }
    }

    /// <summary>All modules inside this one, each before those inside of it.</summary>
    public IEnumerable<KeyValuePair<string, Module>> NamedModules()
    {
        foreach ((string name, Module module) in _members.Where(member => member.Member is Module).Select(member => (member.Name, (Module)member.Member)))
        {
            yield return new(name, module);
            foreach ((string inner, Module innerModule) in module.NamedModules())
            {
                yield return new(name.Length == 0 ? inner : $"{name}.{inner}", innerModule);
            }
        }
    }

    /// <summary>Number of elements of all parameters.</summary>
    public long ParameterCount => NamedParameters().Sum(static parameter => parameter.Value.Shape.Count);

    /// <summary>Writes all parameters as safetensors, each under its name.</summary>
    /// <param name="path">The file; complete or absent, whatever happens.</param>
    /// <exception cref="DynConvException">The file cannot be written.</exception>
    public void Save(string path) =>
        Save(path, NamedParameters().Select(parameter => new KeyValuePair<string, Tensor>(parameter.Key, parameter.Value)));

    /// <summary>Writes what a file format makes of the parameters, so that other tools take it.</summary>
    internal static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors) =>
        SafetensorsWriter.Write(path, tensors, [new("format", "pt")]);

    /// <summary>Reads parameters that <see cref="Save(string)"/>, or another program, has written for a module like this one.</summary>
    /// <param name="path">A safetensors file with just this module's parameters; floats of other precisions are converted.</param>
    /// <exception cref="DynConvException">
    /// The file cannot be read, or its names and shapes are not those of the module, which then stays as it was.
    /// </exception>
    public void Load(string path)
    {
        using var reader = new SafetensorsReader(path);
        Dictionary<string, Parameter> parameters = NamedParameters().ToDictionary();
        string[] missing = [.. parameters.Keys.Where(name => !reader.Contains(name))];
        string[] foreign = [.. reader.Entries.Keys.Where(name => !parameters.ContainsKey(name))];
        if (missing.Length > 0 || foreign.Length > 0)
        {
            throw new DynConvException($"{path} is of another module: it {string.Join(" and ", Difference(missing, foreign))}.");
        }

        foreach ((string name, Parameter parameter) in parameters)
        {
            if (reader.Entries[name].Type.TensorType() is null or DType.Int32)
            {
                throw new DynConvException($"{path}: {name} holds {reader.Entries[name].Type.Name()}, and the module's parameters are floats.");
            }

            if (reader.Entries[name].Shape != parameter.Shape)
            {
                throw new DynConvException($"{path}: {name} is {reader.Entries[name].Shape}, and the module's is {parameter.Shape}.");
            }
        }

        foreach ((string name, Parameter parameter) in parameters)
        {
            reader.ReadInto(name, parameter);
        }
    }

    /// <summary>Gives all parameters back.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Makes a parameter part of this module.</summary>
    /// <param name="name">Its name inside the module, as in <c>weight</c>.</param>
    /// <param name="parameter">The parameter.</param>
    protected Parameter Add(string name, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(parameter);
        _members.Add((name, parameter));
        return parameter;
    }

    /// <summary>Makes a module part of this one.</summary>
    /// <typeparam name="TModule">The child's type.</typeparam>
    /// <param name="name">Its name inside this module; empty to put its parameters among this one's own.</param>
    /// <param name="module">The child.</param>
    protected TModule Add<TModule>(string name, TModule module)
        where TModule : Module
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(module);
        _members.Add((name, module));
        return module;
    }

    private static IEnumerable<string> Difference(string[] missing, string[] foreign)
    {
        if (missing.Length > 0)
        {
            yield return $"lacks {Names(missing)}";
        }

        if (foreign.Length > 0)
        {
            yield return $"has {Names(foreign)}, which the module does not";
        }

        static string Names(string[] names) =>
            names.Length <= 3 ? string.Join(", ", names) : $"{string.Join(", ", names.Take(2))} and {names.Length - 2} more";
    }

    /// <summary>Gives back what the module owns.</summary>
    /// <param name="disposing">Always true: there are no finalizers here.</param>
    protected virtual void Dispose(bool disposing)
    {
        foreach ((_, object member) in _members)
        {
            ((IDisposable)member).Dispose();
        }
    }
}
