using DynConv.Models;

namespace DynConv.Training;

/// <summary>The shape of a model that training starts from.</summary>
/// <param name="settings">With <see cref="TrainingConfiguration.Init"/>.</param>
internal sealed class InitialShape(TrainingConfiguration settings)
{
    /// <summary>The shape is that of the weights: settings that would change it are mistakes.</summary>
    public void Check()
    {
        string? shape = settings.Preset is not null ? "preset"
            : settings.Model != new ModelOverrides() ? "model"
            : settings.QkNorm ? "qk_norm"
            : null;
        if (shape is not null)
        {
            throw new DynConvException($"{shape} is given together with init, and the model's shape is that of {settings.Init}; leave {shape} out.");
        }
    }

    /// <summary>The shape, with the convolutions that the settings add to it.</summary>
    /// <param name="vocabularySize">Number of the tokenizer's ids, which the model has to have.</param>
    public ModelConfiguration Make(int vocabularySize = 0)
    {
        string folder = settings.Init!;
        string file = Path.Combine(folder, ModelFolder.ConfigurationFileName);
        ModelConfiguration model = Directory.Exists(folder)
            ? ConfigurationFile.Read(file, settings.Mixers)
            : throw new DynConvException($"There is no model folder {folder} to start from.");
        if (vocabularySize > model.VocabularySize)
        {
            throw new DynConvException(
                $"The tokenizer has {vocabularySize:N0} ids and the model of {folder} only {model.VocabularySize:N0}: they do not belong together.");
        }

        if (settings.Context > model.MaxPositions)
        {
            throw new DynConvException($"A context of {settings.Context} is longer than the {model.MaxPositions} tokens that the model of {folder} is made for.");
        }

        if (settings.Conv is null)
        {
            return model;
        }

        if (model.Convolutions.Count > 0)
        {
            throw new DynConvException($"conv is '{settings.Conv}', and the model of {folder} has convolutions of its own; leave conv out to go on with them.");
        }

        return model.WithConvolutions(settings.Convolution(), settings.Placement).Validate();
    }
}
