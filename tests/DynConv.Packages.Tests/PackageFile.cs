using System.IO.Compression;
using System.Xml.Linq;

namespace DynConv.Packages.Tests;

/// <summary>A package, opened.</summary>
internal sealed class PackageFile : IDisposable
{
    private readonly ZipArchive _archive;

    public PackageFile(string path) => _archive = ZipFile.OpenRead(path);

    /// <summary>Names of the files in it, without those of the archive format.</summary>
    public IReadOnlyList<string> Files => [.. _archive.Entries.Select(entry => entry.FullName)
        .Where(name => !name.StartsWith("_rels/", StringComparison.Ordinal) && !name.StartsWith("package/", StringComparison.Ordinal) && name != "[Content_Types].xml")
        .Order(StringComparer.Ordinal)];

    /// <summary>What it says of itself.</summary>
    public XElement Metadata
    {
        get
        {
            XElement root = XDocument.Parse(Text(Files.Single(name => name.EndsWith(".nuspec", StringComparison.Ordinal)))).Root!;
            return root.Elements().Single(element => element.Name.LocalName == "metadata");
        }
    }

    /// <summary>A value of <see cref="Metadata"/>.</summary>
    public string Value(string name) => Find(name)?.Value ?? "";

    public XElement? Find(string name) => Metadata.Elements().SingleOrDefault(element => element.Name.LocalName == name);

    /// <summary>Names and versions of the packages that it needs.</summary>
    public IReadOnlyList<(string Name, string Version)> Dependencies => [.. Metadata.Descendants()
        .Where(element => element.Name.LocalName == "dependency")
        .Select(element => (element.Attribute("id")!.Value, element.Attribute("version")!.Value))];

    public byte[] Bytes(string name)
    {
        using Stream stream = _archive.GetEntry(name)!.Open();
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    public string Text(string name)
    {
        using var reader = new StreamReader(_archive.GetEntry(name)!.Open());
        return reader.ReadToEnd();
    }

    public void Dispose() => _archive.Dispose();
}
