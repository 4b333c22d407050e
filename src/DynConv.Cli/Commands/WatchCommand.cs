using System.CommandLine;
using DynConv.Reports;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv watch</c></summary>
internal static class WatchCommand
{
    private const string Help = """
        Serves the page of runs while they go on.

        The page is that of 'dynconv report' and follows what is
        written. Nobody else can reach it unless --host says so.
        Ctrl-C ends it.

        Example:
          dynconv watch runs
          dynconv watch runs/books --port 8080
        """;

    public static Command Create(CliContext context)
    {
        var folders = new Argument<string[]>("DIR") { Description = "Folders of runs and results, or folders with such in them.", Arity = ArgumentArity.OneOrMore };
        Option<int?> port = CommonOptions.Number<int>("--port", $"Where to serve. Default {ReportServer.DefaultPort}, or the next free one.", least: 1);
        var host = new Option<string>("--host")
        {
            Description = "The address to serve at; * for all that this machine has. Default localhost.",
            HelpName = "H",
            DefaultValueFactory = static _ => "localhost",
        };
        var command = new Command("watch", Help) { folders, port, host };
        command.SetAction(parsed =>
        {
            var report = new Report(parsed.GetValue(folders)!, context.Mixers);
            using ReportServer server = ReportServer.Start(report, parsed.GetValue(host)!, parsed.GetValue(port));
            using var interrupts = new Interrupts(context);
            context.Out.WriteLine($"{server.Address} shows {string.Join(", ", parsed.GetValue(folders)!)}; Ctrl-C ends it");
            server.RunAsync(interrupts.Stop).GetAwaiter().GetResult();
            return CommandLineApplication.Success;
        });
        return command;
    }
}
