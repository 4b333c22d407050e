namespace DynConv.Ops;

/// <summary>What the descriptions of the three kinds have in common.</summary>
internal static class ConvolutionDescription
{
    public static readonly OpTensor X = new("x", "[B, T, D]") { IsReadBackward = true };

    public static readonly OpTensor StaticWeight = new("static_w", "[W, D]") { IsParameter = true, IsReadBackward = true, IsOptional = true };

    public static readonly OpTensor InitialState = new("initial_state", "[B, W-1, D]") { IsReadBackward = true, IsOptional = true };

    public static readonly OpTensor Bias = new("bias", "[D]") { IsFloat32 = true, IsOptional = true };

    /// <summary>y, and the final state where the settings ask for it.</summary>
    public static readonly OpTensor[] Results =
        [new("y", "[B, T, D]"), new("final_state", "[B, W-1, D]") { IsOptional = true }];

    /// <summary>Settings: <c>residual</c>, <c>activation</c> (<c>silu</c>), <c>final_state</c>, <c>cu_seqlens</c>.</summary>
    public static Tensor[] Run(OpCall call, Func<ShortConvolutionOptions, Tensor> apply, Func<ShortConvolutionOptions, (Tensor, Tensor)> applyWithState)
    {
        var options = new ShortConvolutionOptions
        {
            Residual = call.Flag("residual"),
            Bias = call.Find("bias"),
            Activation = call.Text("activation") == "silu" ? ConvolutionActivation.Silu : ConvolutionActivation.None,
            InitialState = call.Find("initial_state"),
            Packed = call.Packed(),
        };
        if (!call.Flag("final_state"))
        {
            return [apply(options)];
        }

        (Tensor y, Tensor final) = applyWithState(options);
        return [y, final];
    }

    /// <summary>
    /// Forward, a tap is one multiplication and addition, and making its filter so many more; the backward pass multiplies
    /// each tap with dy and with x, makes the filter again, and for each of its terms adds to two gradients.
    /// </summary>
    public static PassCosts Operations(OpSizes sizes, double filterTerms)
    {
        double taps = 2.0 * sizes["B"] * sizes["T"] * sizes["D"] * sizes["W"];
        return new PassCosts(taps * (1 + filterTerms), taps * (2 + (3 * filterTerms)));
    }
}
