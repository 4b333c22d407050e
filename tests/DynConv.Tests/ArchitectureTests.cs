using System.Text.RegularExpressions;

namespace DynConv.Tests;

/// <summary>Dependencies between the folders of the library point one way, as docs/architecture.md says.</summary>
public sealed partial class ArchitectureTests
{
    private static readonly string Root = Path.Combine(Repository.Folder, "src", "DynConv");

    // A device holds its card's context, which launches kernels on tensors: one room for this purpose.
    private static readonly Dictionary<string, string> OneRoom = new() { ["Cuda"] = "Tensors" };

    // For each folder the folders that it uses, each with the type and the file by which it does.
    private static readonly Lazy<Dictionary<string, Dictionary<string, string>>> Uses = new(FindUses);

    [Fact]
    public void Folders_depend_on_one_another_without_a_cycle()
    {
        var done = new HashSet<string>();
        foreach (string folder in Uses.Value.Keys)
        {
            Visit(folder, []);
        }

        void Visit(string folder, List<string> path)
        {
            if (path.Contains(folder))
            {
                string[] cycle = [.. path.SkipWhile(one => one != folder), folder];
                Assert.Fail($"a cycle: {string.Join("; ", cycle.Zip(cycle.Skip(1), (from, to) => $"{from} → {to} ({Uses.Value[from][to]})"))}");
            }

            if (done.Contains(folder))
            {
                return;
            }

            path.Add(folder);
            foreach (string used in Uses.Value[folder].Keys)
            {
                Visit(used, path);
            }

            path.RemoveAt(path.Count - 1);
            done.Add(folder);
        }
    }

    [Theory]
    [InlineData("Cpu")]
    [InlineData("Tensors", "Cpu")]
    [InlineData("Serialization", "Tensors")]
    [InlineData("Ops/Sequences", "Tensors")]
    [InlineData("Ops/Shared", "Cpu", "Tensors", "Ops/Sequences")]
    public void What_ops_are_made_of_depends_on_no_op(string folder, params string[] allowed) =>
        Assert.Empty(Uses.Value[folder].Where(use => !allowed.Contains(use.Key)).Select(use => $"{folder} → {use.Key} ({use.Value})"));

    [Fact]
    public void Modules_optimizers_and_diagnostics_are_used_by_nothing_below_them()
    {
        Assert.Equal(["Diagnostics", "Optimizers"], Uses.Value.Where(pair => pair.Value.ContainsKey("Modules")).Select(pair => pair.Key).Order());
        Assert.DoesNotContain(Uses.Value.Values, used => used.ContainsKey("Diagnostics") || used.ContainsKey("Optimizers"));
    }

    [Fact]
    public void Kernels_include_no_file_of_an_op_but_their_own()
    {
        Dictionary<string, string> folders = Directory.GetFiles(Root, "*.cu*", SearchOption.AllDirectories)
            .Where(file => file.EndsWith(".cu", StringComparison.Ordinal) || file.EndsWith(".cuh", StringComparison.Ordinal))
            .ToDictionary(file => Path.GetFileName(file), FolderOf);
        foreach ((string file, string folder) in folders)
        {
            string path = Directory.GetFiles(Root, file, SearchOption.AllDirectories).Single();
            // Clang's own names begin with two underscores.
            foreach (Match include in Include().Matches(File.ReadAllText(path)).Where(match => !match.Groups["file"].Value.StartsWith("__", StringComparison.Ordinal)))
            {
                string from = folders.GetValueOrDefault(include.Groups["file"].Value, "no folder");
                Assert.True(from == folder || from is "Tensors" or "Ops/Shared", $"{file} includes {include.Groups["file"].Value} of {from}");
            }
        }
    }

    // By names: a file uses a folder if it names a type that stands in the first column of a file there.
    private static Dictionary<string, Dictionary<string, string>> FindUses()
    {
        string[] files =
        [
            .. Directory.GetFiles(Root, "*.cs", SearchOption.AllDirectories)
                .Where(file => !Path.GetRelativePath(Root, file).Split(Path.DirectorySeparatorChar)[0].StartsWith("obj", StringComparison.Ordinal)
                    && !Path.GetRelativePath(Root, file).StartsWith("bin", StringComparison.Ordinal)),
        ];
        Dictionary<string, string> texts = files.ToDictionary(file => file, file => Comment().Replace(File.ReadAllText(file), ""));
        ILookup<string, string> homes = texts
            .SelectMany(pair => Declaration().Matches(pair.Value).Select(match => (Name: match.Groups["name"].Value, Folder: FolderOf(pair.Key))))
            .Distinct()
            .ToLookup(type => type.Name, type => type.Folder);
        var uses = files.Select(FolderOf).Distinct().ToDictionary(folder => folder, _ => new Dictionary<string, string>());
        foreach ((string file, string text) in texts)
        {
            string folder = FolderOf(file);
            foreach (string name in Name().Matches(text).Select(match => match.Groups["name"].Value).Distinct())
            {
                foreach (string home in homes.Contains(name) && !homes[name].Contains(folder) ? homes[name].Where(home => home.Length > 0) : [])
                {
                    uses[folder].TryAdd(home, $"{name} in {Path.GetFileName(file)}");
                }
            }
        }

        return uses.Where(pair => pair.Key.Length > 0).ToDictionary();
    }

    // What lies beside the project file belongs to all; the rooms of the convolutions are one.
    private static string FolderOf(string file)
    {
        string[] parts = Path.GetRelativePath(Root, file).Split(Path.DirectorySeparatorChar)[..^1];
        string folder = parts.Length == 0 ? "" : parts[0] == "Ops" && parts.Length > 1 ? $"Ops/{parts[1]}" : parts[0];
        return OneRoom.GetValueOrDefault(folder, folder);
    }

    [GeneratedRegex(@"^(?:\[[^\]]*\] )?(?:public |internal |static |sealed |abstract |readonly |unsafe |partial |ref )*(?:class|struct|interface|enum|record(?: struct| class)?) (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    // Not what follows a dot, but for that of a namespace, and before a parenthesis only what is made or an attribute: a
    // property or a method may be called as a type is.
    [GeneratedRegex(@"(?<![\w.])(?:(?:DynConv|Ops|Cuda|Cpu|Modules|Optimizers|Serialization|Diagnostics)\.)*(?:(?<name>[A-Z]\w+)\b(?!\()|(?<=(?:\bnew |^\s*\[)[\w.]*)(?<name>[A-Z]\w+)(?=\())", RegexOptions.Multiline)]
    private static partial Regex Name();

    [GeneratedRegex(@"//.*|""(?:\\.|[^""\\\n])*""")]
    private static partial Regex Comment();

    [GeneratedRegex(@"^\s*#\s*include\s*[""<](?<file>[^"">]+)["">]", RegexOptions.Multiline)]
    private static partial Regex Include();
}
