// Signals and the exit code that they ask for belong to the whole process.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
[assembly: AssemblyFixture(typeof(DynConv.Cli.Tests.TinyRun))]
