[assembly: AssemblyFixture(typeof(DynConv.Packages.Tests.PackageFeed))]
