using DynConv.Cli;
using Spectre.Console;

var context = new CliContext(Console.Out, Console.Error, AnsiConsole.Console, !Console.IsOutputRedirected)
{
    Input = Console.OpenStandardInput(),
};
using IDisposable signals = Interrupts.EndingAtOnce(context);
return CommandLineApplication.Run(args, context);
