using DynConv.Models;
using DynConv.Optimizers;
using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>
/// A folder from which a run goes on: a model's folder as any tool reads it, and beside it the optimizer's moments, where
/// the run stood and what it was told to do.
/// </summary>
/// <param name="Path">The folder.</param>
/// <param name="State">Where the run stood.</param>
/// <param name="Configuration">What it was told to do.</param>
internal sealed record Checkpoint(string Path, RunState State, TrainingConfiguration Configuration)
{
    private const string Moments = "optimizer.safetensors";

    // Not as a run's own file, so that nobody takes a checkpoint for a run.
    private const string Settings = "settings.yaml";

    /// <summary>Writes a checkpoint; it is complete and on the disk, or absent.</summary>
    public static Checkpoint Write(
        string path, LanguageModel model, ModelTokenizer tokens, Optimizer optimizer, RunState state, TrainingConfiguration configuration)
    {
        AtomicFolder.Write(path, temporary =>
        {
            ModelFolder.Save(temporary, model, tokens.Tokenizer, tokens.EndTokens);
            optimizer.Save(System.IO.Path.Combine(temporary, Moments));
            AtomicFile.WriteAllText(System.IO.Path.Combine(temporary, Settings), RunFile.ToYaml(configuration));
            state.Write(temporary);
            CheckpointManifest.Write(temporary);
        });
        return new Checkpoint(path, state, configuration);
    }

    /// <summary>Reads all but the weights and moments, whose bytes are compared with what was written.</summary>
    /// <exception cref="DynConvException">It is damaged.</exception>
    public static Checkpoint Open(string path)
    {
        CheckpointManifest.Verify(
            path, RunState.FileName, Settings, Moments, CheckpointReader.FileName, ModelFolder.ConfigurationFileName, ModelFolder.TokenizerFileName);
        return new Checkpoint(path, RunState.Read(path), RunFile.Read(System.IO.Path.Combine(path, Settings)));
    }

    /// <summary>Brings a model and its optimizer to where the run stood.</summary>
    public void LoadInto(LanguageModel model, Optimizer optimizer)
    {
        ModelFolder.ReadWeights(Path, model);
        optimizer.Load(System.IO.Path.Combine(Path, Moments), State.Step);
    }
}
