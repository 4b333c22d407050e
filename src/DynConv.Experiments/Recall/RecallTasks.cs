namespace DynConv.Experiments.Recall;

/// <summary>The tasks that there are.</summary>
public static class RecallTasks
{
    /// <summary>One of each kind with its usual settings, by name.</summary>
    public static IReadOnlyList<IRecallTask> All { get; } =
    [
        .. typeof(IRecallTask).Assembly.GetTypes()
            .Where(static type => type.IsClass && type.IsAssignableTo(typeof(IRecallTask)))
            .Select(static type => (IRecallTask)Activator.CreateInstance(type)!)
            .OrderBy(static task => task.Name, StringComparer.Ordinal),
    ];

    /// <summary>The task of a name.</summary>
    /// <param name="name">As in <c>mqar</c>.</param>
    /// <exception cref="DynConvException">There is none.</exception>
    public static IRecallTask Get(string name) => All.FirstOrDefault(task => task.Name == name)
        ?? throw new DynConvException($"There is no task '{name}'; there are {string.Join(", ", All.Select(task => task.Name))}.");
}
