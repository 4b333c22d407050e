using System.CommandLine;
using DynConv.Reports;
using DynConv.Serialization;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv report</c></summary>
internal static class ReportCommand
{
    private const string Help = """
        Makes one page of runs, recall results, ablations and scaling fits.

        The page is one HTML file with everything in it; it needs no
        network. Folders inside the given ones are shown too.

        Example:
          dynconv report runs --out report.html
          dynconv report runs/plain runs/lowrank recall --out report.html
        """;

    public static Command Create(CliContext context)
    {
        var folders = new Argument<string[]>("DIR") { Description = "Folders of runs and results, or folders with such in them.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "The HTML file to write.", Required = true, HelpName = "FILE" };
        var command = new Command("report", Help) { folders, output };
        command.SetAction(parsed =>
        {
            string path = parsed.GetValue(output)!;
            CommonOptions.CheckWritable(path);
            var report = new Report(parsed.GetValue(folders)!, context.Mixers);
            report.ReadAll();
            AtomicFile.WriteAllText(path, ReportPage.Make(report));
            foreach (string problem in report.Problems)
            {
                context.Error.WriteLine($"note: {problem}");
            }

            context.Out.WriteLine(path);
            return CommandLineApplication.Success;
        });
        return command;
    }
}
