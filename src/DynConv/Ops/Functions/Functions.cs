namespace DynConv.Ops;

/// <summary>Functions of each element by itself, for float32, or bfloat16 on CUDA, of any shape and strides.</summary>
public static partial class Functions
{
    // In the order of functions.cu.
    private enum Function
    {
        Exp,
        Log,
        Sqrt,
        Tanh,
        Sigmoid,
        Relu,
        Silu,
        Softplus,
        Gelu,
    }

    /// <summary><c>e^x</c>.</summary>
    /// <param name="x">Values.</param>
    public static Tensor Exp(Tensor x) => Apply(Function.Exp, x);

    /// <summary>The natural logarithm.</summary>
    /// <param name="x">Values; NaN below 0, negative infinity at 0.</param>
    public static Tensor Log(Tensor x) => Apply(Function.Log, x);

    /// <summary>The square root.</summary>
    /// <param name="x">Values; NaN below 0.</param>
    public static Tensor Sqrt(Tensor x) => Apply(Function.Sqrt, x);

    /// <summary>The hyperbolic tangent.</summary>
    /// <param name="x">Values.</param>
    public static Tensor Tanh(Tensor x) => Apply(Function.Tanh, x);

    /// <summary><c>1 / (1 + e^-x)</c>.</summary>
    /// <param name="x">Values.</param>
    public static Tensor Sigmoid(Tensor x) => Apply(Function.Sigmoid, x);

    /// <summary><c>max(x, 0)</c>, with a derivative of 0 at 0.</summary>
    /// <param name="x">Values.</param>
    public static Tensor Relu(Tensor x) => Apply(Function.Relu, x);

    /// <summary><c>x / (1 + e^-x)</c>, also known as swish (Elfwing et al. 2018).</summary>
    /// <param name="x">Values.</param>
    public static Tensor Silu(Tensor x) => Apply(Function.Silu, x);

    /// <summary><c>log(1 + e^x)</c> (Dugas et al. 2001).</summary>
    /// <param name="x">Values.</param>
    public static Tensor Softplus(Tensor x) => Apply(Function.Softplus, x);

    /// <summary><c>x Φ(x)</c> with the normal distribution's Φ, exact and not by tanh (Hendrycks and Gimpel 2016).</summary>
    /// <param name="x">Values.</param>
    public static Tensor Gelu(Tensor x) => Apply(Function.Gelu, x);

    private static Tensor Apply(Function function, Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        string op = Name(function);
        OpArguments.Floating(op, x);
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        if (x.Device.IsCuda)
        {
            ForwardCuda(function, x, y);
        }
        else
        {
            ForwardCpu(function, x, y);
        }

        return Tape.Record(op, y, [x], [KeepsResult(function) ? y : x], g =>
        {
            (Tensor target, bool accumulate) = g.Target(0);
            if (target.Device.IsCuda)
            {
                BackwardCuda(function, g.Gradient(0)!, g.Saved(0), target, accumulate);
            }
            else
            {
                BackwardCpu(function, g.Gradient(0)!, g.Saved(0), target, accumulate);
            }
        });
    }

    private static string Name(Function function) => function switch
    {
        Function.Exp => "exp",
        Function.Log => "log",
        Function.Sqrt => "sqrt",
        Function.Tanh => "tanh",
        Function.Sigmoid => "sigmoid",
        Function.Relu => "relu",
        Function.Silu => "silu",
        Function.Softplus => "softplus",
        _ => "gelu",
    };

    /// <summary>Whether the derivative is simplest in terms of the result, which is kept then in place of x.</summary>
    private static bool KeepsResult(Function function) =>
        function is Function.Exp or Function.Sqrt or Function.Tanh or Function.Sigmoid or Function.Relu;
}
