namespace DynConv.Modules;

/// <summary>Something with parameters: a layer, or a model made of layers.</summary>
/// <remarks>
/// A module owns its parameters and its child modules, in the order in which it adds them, and disposes them. Names
/// join with dots, as in <c>model.layers.0.self_attn.q_proj.weight</c>.
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
        _members.Add((name, module));
        return module;
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
