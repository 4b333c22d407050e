namespace DynConv.Experiments.Recall;

/// <summary>What sequences are for. No sequence belongs to two.</summary>
public enum RecallSplit
{
    /// <summary>Trained on.</summary>
    Train,

    /// <summary>Looked at during training, and to choose the learning rate.</summary>
    Validation,

    /// <summary>Measured on once, at the end.</summary>
    Test,
}
