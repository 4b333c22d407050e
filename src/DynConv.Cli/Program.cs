using DynConv.Cli;
using Spectre.Console;

return CommandLineApplication.Run(args, new CliContext(Console.Out, Console.Error, AnsiConsole.Console, !Console.IsOutputRedirected));
