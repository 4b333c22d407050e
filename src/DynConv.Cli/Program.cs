using DynConv.Cli;
using Spectre.Console;

var context = new CliContext(Console.Out, Console.Error, AnsiConsole.Console, !Console.IsOutputRedirected)
{
    Input = Console.OpenStandardInput(),
    Bytes = Console.IsOutputRedirected ? Console.OpenStandardOutput() : Stream.Null,
    IsErrorInteractive = !Console.IsErrorRedirected,
};
using IDisposable signals = Interrupts.EndingAtOnce(context);
return CommandLineApplication.Run(args, context);
