// Commands change the thread count, which belongs to the whole process.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(DynConv.Tests.PoisonedMemory))]
[assembly: AssemblyFixture(typeof(DynConv.Cli.Tests.TinyRun))]
