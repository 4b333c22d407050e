namespace DynConv.Ops;

public sealed unsafe partial class ConvolutionStep
{
    private void RunCpu(Tensor y)
    {
        using var scope = new TensorScope();
        Tensor token = y.Reshape(_inputs.X.Shape.Dimensions);
        if (_learned is not null)
        {
            LowRankConvolution.ForwardCpu(_inputs, _factors!, _learned, _inputs.Finish, token);
        }
        else if (_weight is not null)
        {
            HeadWiseConvolution.ForwardCpu(_inputs, _weight, _inputs.Finish, token);
        }
        else
        {
            StaticConvolution.ForwardCpu(_inputs, _inputs.Finish, token);
        }

        MoveOn(_inputs.InitialState!, new TokenRows(_inputs.X));
    }

    private static void MoveOn(Tensor state, TokenRows x)
    {
        (long batch, long rows, int channels) = (state.Shape[0], state.Shape[1], (int)state.Shape[2]);
        for (long b = 0; b < batch && rows > 0; b++)
        {
            float* row = state.Float() + (b * state.Strides[0]);
            for (long i = 1; i < rows; i++, row += state.Strides[1])
            {
                new Span<float>(row + state.Strides[1], channels).CopyTo(new Span<float>(row, channels));
            }

            new Span<float>(x[b], channels).CopyTo(new Span<float>(row, channels));
        }
    }
}
