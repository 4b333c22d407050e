using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using DynConv.Tests;

namespace DynConv.Packages.Tests;

/// <summary>A debugger finds the symbols of what it runs, and in them the sources.</summary>
public sealed class SymbolTests(PackageFeed feed)
{
    // What the compiler writes into portable symbols in front of a source that it embeds.
    private static readonly Guid EmbeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    public static TheoryData<string> Packages => [.. PackageFeed.Names];

    [Theory]
    [MemberData(nameof(Packages))]
    public void Symbols_are_those_of_the_assembly_and_hold_its_sources(string name)
    {
        string folder = name == PackageFeed.ToolName ? "tools/net10.0/any" : "lib/net10.0";
        using var package = new PackageFile(feed.Package(name));
        using var symbols = new PackageFile(feed.Symbols(name));
        using var assembly = new PEReader(ImmutableArray.Create(package.Bytes($"{folder}/{name}.dll")));
        CodeViewDebugDirectoryData expected = assembly.ReadCodeViewDebugDirectoryData(
            assembly.ReadDebugDirectory().Single(entry => entry.Type == DebugDirectoryEntryType.CodeView));
        using MetadataReaderProvider provider = MetadataReaderProvider.FromPortablePdbImage(ImmutableArray.Create(symbols.Bytes($"{folder}/{name}.pdb")));
        MetadataReader reader = provider.GetMetadataReader();
        Assert.Equal(expected.Guid, new BlobContentId(reader.DebugMetadataHeader!.Id).Guid);
        Assert.NotEmpty(reader.Documents);
        Assert.All(reader.Documents, document => Assert.Contains(
            reader.GetCustomDebugInformation(document),
            information => reader.GetGuid(reader.GetCustomDebugInformation(information).Kind) == EmbeddedSource));

        // A release says nothing of the machine that it was built on.
        string root = PackageFeed.Configuration == "Release" ? "/_/" : Repository.Folder;
        Assert.All(reader.Documents, document => Assert.StartsWith(root, reader.GetString(reader.GetDocument(document).Name), StringComparison.Ordinal));
    }
}
