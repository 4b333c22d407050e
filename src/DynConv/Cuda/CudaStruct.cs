using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace DynConv.Cuda;

/// <summary>
/// Marks a struct that kernels take by value. It and its counterpart in CUDA are written down twice; what is appended to
/// the source (<see cref="Assertions"/>) makes each compiler check that they have the same size and the same fields at the
/// same places.
/// </summary>
/// <param name="file">The source that defines the counterpart.</param>
/// <param name="name">What it is called there, as in <c>Rows&lt;float&gt;</c>.</param>
[AttributeUsage(AttributeTargets.Struct)]
internal sealed class CudaStructAttribute(string file, string name) : Attribute
{
    private const string Reflects = "It looks at all structs of the assembly and at their fields.";

    /// <summary>The source that defines the counterpart.</summary>
    public string File { get; } = file;

    /// <summary>What it is called there.</summary>
    public string Name { get; } = name;

    // A trimmed program has no reflection to write the checks with, and its structs have passed them before. Trimmers put false
    // in place of a property that is marked like this; the analyzer asks for a body that says so itself (IL4000).
#pragma warning disable IL4000
    [FeatureGuard(typeof(RequiresUnreferencedCodeAttribute))]
    [FeatureGuard(typeof(RequiresDynamicCodeAttribute))]
    private static bool IsChecked => RuntimeFeature.IsDynamicCodeSupported;
#pragma warning restore IL4000

    /// <summary>The checks of all structs that a source defines; empty if it defines none, and in a trimmed program.</summary>
    /// <param name="file">The source's name.</param>
    public static string Assertions(string file) => IsChecked ? AssertionsOf(file) : "";

    [RequiresUnreferencedCode(Reflects)]
    [RequiresDynamicCode(Reflects)]
    private static string AssertionsOf(string file)
    {
        var text = new StringBuilder();
        foreach (Type type in Marked.Structs[file].OrderBy(static type => type.Name, StringComparer.Ordinal))
        {
            string name = type.GetCustomAttribute<CudaStructAttribute>()!.Name;
            text.Append($"static_assert(sizeof({name}) == {Marshal.SizeOf(type)}, \"{name} and {type.Name} of C# differ in size\");\n");
            foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
            {
                string member = field.GetCustomAttribute<CudaFieldAttribute>()?.Name ?? SnakeCase(field.Name);
                text.Append(
                    $"static_assert(OFFSET_OF({name}, {member}) == {Marshal.OffsetOf(type, field.Name)}, \"{name}.{member} stands elsewhere in {type.Name} of C#\");\n");
            }
        }

        return text.ToString();
    }

    [RequiresUnreferencedCode(Reflects)]
    private static class Marked
    {
        public static readonly ILookup<string, Type> Structs = typeof(CudaStructAttribute).Assembly.GetTypes()
            .Where(static type => type.IsDefined(typeof(CudaStructAttribute)))
            .ToLookup(static type => type.GetCustomAttribute<CudaStructAttribute>()!.File);
    }

    /// <summary><c>_batchStride</c>, <c>BatchStride</c> and what a record has behind it become <c>batch_stride</c>.</summary>
    private static string SnakeCase(string field)
    {
        string name = field.StartsWith('<') ? field[1..field.IndexOf('>', StringComparison.Ordinal)] : field.TrimStart('_');
        var snake = new StringBuilder();
        foreach (char c in name)
        {
            if (char.IsAsciiLetterUpper(c) && snake.Length > 0)
            {
                snake.Append('_');
            }

            snake.Append(char.ToLowerInvariant(c));
        }

        return snake.ToString();
    }
}

/// <summary>What a field is called in CUDA where that does not follow from its name.</summary>
/// <param name="name">A member, or an element of one, as in <c>jobs[1]</c>.</param>
[AttributeUsage(AttributeTargets.Field)]
internal sealed class CudaFieldAttribute(string name) : Attribute
{
    /// <summary>The member.</summary>
    public string Name { get; } = name;
}
