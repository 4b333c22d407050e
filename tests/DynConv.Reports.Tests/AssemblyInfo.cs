[assembly: AssemblyFixture(typeof(DynConv.Tests.PoisonedMemory))]
