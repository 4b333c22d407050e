namespace DynConv.Diagnostics;

/// <summary>What kernels are for, told by how their names begin.</summary>
internal static class KernelGroups
{
    public const string AttentionForward = "attention forward";

    public const string Other = "other";

    private const string AttentionBackward = "attention backward";

    // Parts that several ops are made of, which count with the kernel before them.
    private static readonly string[] Continuations = ["partial_sums", "column_sums"];

    private static readonly (string Start, string Group)[] Starts =
    [
        ("cublasLt", "matrix products"),
        ("low_rank_", "convolutions"),
        ("head_wise_", "convolutions"),
        ("convolution_", "convolutions"),
        ("gated_delta_", "gated delta rule"),
        ("ssd_", "state space duality"),
        ("recurrence_gates", "gates of recurrences"),
        ("initial_state", "convolutions"),
        ("final_state", "convolutions"),
        ("rms_norm", "norms"),
        ("qk_norm", "norms"),
        ("rope", "RoPE"),
        ("swiglu", "SwiGLU"),
        ("cross_entropy", "cross-entropy"),
        ("embedding", "embedding"),
        ("adamw", "optimizer"),
        ("muon", "optimizer"),
        ("clip_scale", "optimizer"),
        ("tensor_sums", "optimizer"),
        ("add_scaled", "copies and adds"),
        ("scale_in_place", "copies and adds"),
        ("strided_", "copies and adds"),
        ("shifted_copy", "copies and adds"),
        ("elementwise_", "copies and adds"),
        ("bias", "copies and adds"),
    ];

    /// <summary>The group of a kernel.</summary>
    /// <param name="kernel">Its name.</param>
    /// <param name="before">The group of the kernel before it.</param>
    public static string Of(string kernel, string before) =>
        Array.Exists(Continuations, start => kernel.StartsWith(start, StringComparison.Ordinal)) ? before
        : kernel.StartsWith("attention", StringComparison.Ordinal) ? OfAttention(kernel)
        : Array.Find(Starts, row => kernel.StartsWith(row.Start, StringComparison.Ordinal)).Group ?? Other;

    private static string OfAttention(string kernel) =>
        Array.Exists(["forward", "decode", "join"], part => kernel.Contains(part, StringComparison.Ordinal)) ? AttentionForward : AttentionBackward;
}
