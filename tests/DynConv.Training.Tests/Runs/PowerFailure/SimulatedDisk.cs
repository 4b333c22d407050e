using System.Security.Cryptography;
using System.Text;
using DynConv.Serialization;

namespace DynConv.Training.Tests.Runs.PowerFailure;

/// <summary>
/// A disk of which is known what is safe: content since a file was last flushed, and names since their folder was, may
/// come through a power failure or not, each by itself. POSIX promises no more than that; file systems do.
/// </summary>
internal sealed class SimulatedDisk
{
    private readonly Folder _root = new();

    /// <summary>What happens to a file's content that was not flushed.</summary>
    private enum Fate
    {
        Kept,
        Lost,
        CutShort,
        Zeroed,
    }

    public void Apply(DiskOperation operation)
    {
        switch (operation)
        {
            case DiskOperation.Create create:
                Parent(create.Path).Add(Name(create.Path), new Content());
                break;
            case DiskOperation.Write write:
                File(write.Path).Write(write.Offset, write.Bytes);
                break;
            case DiskOperation.Resize resize:
                File(resize.Path).Resize(resize.Length);
                break;
            case DiskOperation.Flush flush:
                Find(flush.Path).Flush();
                break;
            case DiskOperation.CreateFolder folder:
                Parent(folder.Path).Add(Name(folder.Path), new Folder());
                break;
            case DiskOperation.Rename rename:
                Assert.Equal(Path.GetDirectoryName(rename.Path), Path.GetDirectoryName(rename.To));
                Parent(rename.Path).Rename(Name(rename.Path), Name(rename.To));
                break;
            case DiskOperation.Delete delete:
                Parent(delete.Path).Remove(Name(delete.Path));
                break;
            default:
                throw new InvalidOperationException($"{operation} is not known.");
        }
    }

    /// <summary>All files as the running system sees them: what is left when a process is killed.</summary>
    public IReadOnlyDictionary<string, byte[]?> Seen() => Collect(folder => folder.Seen, content => content.Seen);

    /// <summary>Nothing but what was flushed: the least that a power failure leaves.</summary>
    public IReadOnlyDictionary<string, byte[]?> Safe() => Collect(folder => folder.Safe, content => content.Safe);

    /// <summary>What one of the possible power failures leaves.</summary>
    public IReadOnlyDictionary<string, byte[]?> AfterFailure(Random random) =>
        Collect(folder => folder.AfterFailure(random), content => content.AfterFailure((Fate)random.Next(4), random));

    /// <summary>What tells one state of the disk from another.</summary>
    public static string Hash(IReadOnlyDictionary<string, byte[]?> files)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string path, byte[]? bytes) in files.OrderBy(file => file.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path} {bytes?.Length} "));
            hash.AppendData(bytes ?? []);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static string Name(string path) => Path.GetFileName(path);

    private Folder Parent(string path) => (Folder)Find(Path.GetDirectoryName(path)!);

    private Content File(string path) => (Content)Find(path);

    private Node Find(string path) => path.Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries)
        .Where(name => name != ".")
        .Aggregate((Node)_root, (node, name) => ((Folder)node).Seen[name]);

    private Dictionary<string, byte[]?> Collect(
        Func<Folder, IReadOnlyDictionary<string, Node>> names, Func<Content, byte[]> content)
    {
        var files = new Dictionary<string, byte[]?>();
        Walk(_root, "");
        return files;

        void Walk(Folder folder, string path)
        {
            foreach ((string name, Node node) in names(folder))
            {
                string inner = Path.Combine(path, name);
                if (node is Folder deeper)
                {
                    files.Add(inner, null);
                    Walk(deeper, inner);
                }
                else
                {
                    files.Add(inner, content((Content)node));
                }
            }
        }
    }

    private abstract class Node
    {
        public abstract void Flush();
    }

    private sealed class Content : Node
    {
        public byte[] Seen { get; private set; } = [];

        public byte[] Safe { get; private set; } = [];

        public void Write(long offset, byte[] bytes)
        {
            byte[] content = new byte[Math.Max(Seen.Length, offset + bytes.Length)];
            Seen.CopyTo(content, 0);
            bytes.CopyTo(content, offset);
            Seen = content;
        }

        public void Resize(long length)
        {
            byte[] content = new byte[length];
            Seen.AsSpan(0, (int)Math.Min(length, Seen.Length)).CopyTo(content);
            Seen = content;
        }

        public override void Flush() => Safe = Seen;

        public byte[] AfterFailure(Fate fate, Random random)
        {
            int same = Seen.AsSpan().CommonPrefixLength(Safe);
            return fate switch
            {
                Fate.Kept => Seen,
                Fate.Lost => Safe,
                Fate.CutShort => Seen[..random.Next(same, Seen.Length + 1)],
                _ => [.. Seen[..same], .. new byte[Seen.Length - same]],
            };
        }
    }

    private sealed class Folder : Node
    {
        private readonly List<Action<Dictionary<string, Node>>> _unsafe = [];

        public Dictionary<string, Node> Seen { get; } = [];

        public Dictionary<string, Node> Safe { get; private set; } = [];

        public void Add(string name, Node node) => Change(names => names[name] = node);

        public void Remove(string name) => Change(names => names.Remove(name));

        // One step for a file system with a journal, and within a folder for any other that is in use.
        public void Rename(string name, string to) => Change(names =>
        {
            if (names.Remove(name, out Node? node))
            {
                names[to] = node;
            }
        });

        public override void Flush()
        {
            Safe = new Dictionary<string, Node>(Seen);
            _unsafe.Clear();
        }

        /// <summary>Any of the changes since the last flush may be there without the others.</summary>
        public Dictionary<string, Node> AfterFailure(Random random)
        {
            var names = new Dictionary<string, Node>(Safe);
            foreach (Action<Dictionary<string, Node>> change in _unsafe.Where(_ => random.Next(2) == 0))
            {
                change(names);
            }

            return names;
        }

        private void Change(Action<Dictionary<string, Node>> change)
        {
            change(Seen);
            _unsafe.Add(change);
        }
    }
}
