using System.Globalization;
using System.Text;

namespace DynConv.Reports.Tests;

/// <summary>Folders as runs and experiments leave them, gone when the test ends.</summary>
internal sealed class ReportFolders : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dynconv-report-");

    public string Root => _root.FullName;

    public string this[string name] => Path.Combine(Root, name);

    public void Dispose() => _root.Delete(recursive: true);

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllText(this[name], text);
        return this[name];
    }

    /// <summary>A run whose loss falls from 4 towards a floor, with a validation at each tenth.</summary>
    public string AddRun(string name, int steps, string conv = "lowrank", double floor = 1)
    {
        Write($"{name}/run.yaml", $"preset: nano\nconv: {conv}\nsteps: {steps}\n");
        Write($"{name}/metrics.jsonl", Lines(1, steps, Math.Max(1, steps / 10), floor));
        return this[name];
    }

    public void Append(string name, string text) => File.AppendAllText(this[$"{name}/metrics.jsonl"], text);

    public static string Lines(int first, int last, int validateEvery, double floor = 1)
    {
        var text = new StringBuilder();
        for (int step = first; step <= last; step++)
        {
            double loss = floor + (3.0 / (1 + (step * 0.01))) + (0.1 * Math.Sin(step * 12.9898));
            text.Append(CultureInfo.InvariantCulture, $"{{\"step\":{step},\"loss\":{loss},\"learning_rate\":{1e-3 / step},\"gradient_norm\":1.5,\"tokens\":{step * 4096L},\"tokens_per_second\":8000.5,\"seconds\":{step * 0.5}}}\n");
            if (step % validateEvery == 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"{{\"step\":{step},\"valid_loss\":{loss},\"valid_perplexity\":{Math.Exp(loss)},\"valid_bits_per_byte\":2,\"valid_tokens\":65536}}\n");
            }
        }

        return text.ToString();
    }

    /// <summary>Recall results of three kinds and three seeds.</summary>
    public string AddRecall(string name)
    {
        IEnumerable<string> rows =
            from kind in (string[])["none", "static", "lowrank"]
            from seed in Enumerable.Range(0, 3)
            from pairs in (int[])[2, 4, 8]
            let accuracy = (kind == "lowrank" ? 0.99 : 0.5) - (0.01 * seed)
            select string.Create(CultureInfo.InvariantCulture, $$"""{"task":"mqar","pairs":{{pairs}},"conv":"{{kind}}","seed":{{seed}},"steps":20,"accuracy":{{accuracy}},"parameters":1000,"learning_rate":0.01,"diverged":false,"curve":[{"step":10,"loss":2,"accuracy":0.2},{"step":20,"loss":1,"accuracy":{{accuracy}}}]}""");
        return Write($"{name}/recall.json", $"[{string.Join(",\n", rows)}]\n");
    }

    public string AddAblation(string name) => Write($"{name}/ablation.json", """
        {
          "name": "rank", "baseline": "none",
          "rows": [
            { "name": "none", "parameters": 800000, "seeds": [{ "seed": 0, "loss": 1.4, "tokens_per_second": 9000 }], "loss": { "mean": 1.4, "min": 1.39, "max": 1.41 } },
            { "name": "low-rank R=16", "parameters": 950000, "seeds": [{ "seed": 0, "loss": 1.3, "tokens_per_second": 8000 }, { "seed": 1, "error": "The loss is NaN." }],
              "loss": { "mean": 1.3, "min": 1.3, "max": 1.3 }, "difference": { "mean": -0.1, "min": -0.12, "max": -0.08 } }
          ]
        }
        """);

    public string AddScaling(string name) => Write($"{name}/scaling.json", """
        {
          "form": "L = E + A·C^-α", "shared_floor": true, "baseline": "none",
          "architectures": [
            { "name": "none", "E": 1.0, "A": 60, "alpha": 0.12, "interval": { "alpha": { "low": 0.11, "high": 0.13 } },
              "band": [{ "flops": 1e13, "low": 2.6, "high": 2.7 }, { "flops": 1e14, "low": 2.24, "high": 2.28 }, { "flops": 1e15, "low": 1.9, "high": 2.0 }],
              "points": [{ "flops": 1e13, "loss": 2.66, "run": "a" }, { "flops": 1e14, "loss": 2.26, "run": "b" }, { "flops": 1e15, "loss": 1.95, "run": "c" }] },
            { "name": "lowrank", "E": 1.0, "A": 52, "alpha": 0.12,
              "points": [{ "flops": 1e13, "loss": 2.44, "run": "d" }, { "flops": 1e14, "loss": 2.09, "run": "e" }, { "flops": 1e15, "loss": 1.83, "run": "f" }] }
          ],
          "advantage": [{ "architecture": "lowrank", "factor": 3.3, "low": 2.9, "high": 3.8, "at_flops": 1e15 }]
        }
        """);
}
