using DynConv.Ops;

namespace DynConv;

/// <summary>
/// Arithmetic on tensors as it is written: operators, and the ops that programs use most as methods. All are differentiable
/// and broadcast as <see cref="Elementwise"/> says.
/// </summary>
public static class TensorExtensions
{
    extension(Tensor x)
    {
        /// <summary><see cref="Elementwise.Add(Tensor, Tensor)"/>.</summary>
        public static Tensor operator +(Tensor a, Tensor b) => Elementwise.Add(a, b);

        /// <summary><see cref="Elementwise.Subtract"/>.</summary>
        public static Tensor operator -(Tensor a, Tensor b) => Elementwise.Subtract(a, b);

        /// <summary><see cref="Elementwise.Multiply"/>, element by element; a matrix product is <c>a.MatMul(b)</c>.</summary>
        public static Tensor operator *(Tensor a, Tensor b) => Elementwise.Multiply(a, b);

        /// <summary><see cref="Elementwise.Divide"/>.</summary>
        public static Tensor operator /(Tensor a, Tensor b) => Elementwise.Divide(a, b);

        /// <summary>A number added to each element.</summary>
        public static Tensor operator +(Tensor a, double b)
        {
            ArgumentNullException.ThrowIfNull(a);
            return Elementwise.Scale(a, 1, (float)b);
        }

        /// <summary>A number added to each element.</summary>
        public static Tensor operator +(double a, Tensor b)
        {
            ArgumentNullException.ThrowIfNull(b);
            return Elementwise.Scale(b, 1, (float)a);
        }

        /// <summary>A number taken off each element.</summary>
        public static Tensor operator -(Tensor a, double b)
        {
            ArgumentNullException.ThrowIfNull(a);
            return Elementwise.Scale(a, 1, (float)-b);
        }

        /// <summary>Each element taken off a number.</summary>
        public static Tensor operator -(double a, Tensor b)
        {
            ArgumentNullException.ThrowIfNull(b);
            return Elementwise.Scale(b, -1, (float)a);
        }

        /// <summary>Each element times a number.</summary>
        public static Tensor operator *(Tensor a, double b)
        {
            ArgumentNullException.ThrowIfNull(a);
            return Elementwise.Scale(a, (float)b);
        }

        /// <summary>Each element times a number.</summary>
        public static Tensor operator *(double a, Tensor b)
        {
            ArgumentNullException.ThrowIfNull(b);
            return Elementwise.Scale(b, (float)a);
        }

        /// <summary>Each element divided by a number.</summary>
        public static Tensor operator /(Tensor a, double b)
        {
            ArgumentNullException.ThrowIfNull(a);
            return Elementwise.Scale(a, (float)(1 / b));
        }

        /// <summary>Each element with the other sign.</summary>
        public static Tensor operator -(Tensor a)
        {
            ArgumentNullException.ThrowIfNull(a);
            return Elementwise.Scale(a, -1);
        }

        /// <inheritdoc cref="Concatenation.Apply"/>
        public static Tensor Concatenate(int dimension, params ReadOnlySpan<Tensor> tensors) =>
            Concatenation.Apply(dimension, tensors);

        /// <inheritdoc cref="Reduction.Sum(Tensor)" path="/summary"/>
        public Tensor Sum() => Reduction.Sum(x);

        /// <inheritdoc cref="Reduction.Sum(Tensor, int, bool)"/>
        public Tensor Sum(int dimension, bool keepDimension = false) => Reduction.Sum(x, dimension, keepDimension);

        /// <inheritdoc cref="Reduction.Mean(Tensor)" path="/summary"/>
        public Tensor Mean() => Reduction.Mean(x);

        /// <inheritdoc cref="Reduction.Mean(Tensor, int, bool)"/>
        public Tensor Mean(int dimension, bool keepDimension = false) => Reduction.Mean(x, dimension, keepDimension);

        /// <inheritdoc cref="Softmax.Apply"/>
        public Tensor Softmax(int dimension = -1) => Ops.Softmax.Apply(x, dimension);

        /// <inheritdoc cref="Functions.Exp" path="/summary"/>
        public Tensor Exp() => Functions.Exp(x);

        /// <inheritdoc cref="Functions.Log" path="/summary"/>
        public Tensor Log() => Functions.Log(x);

        /// <inheritdoc cref="Functions.Sqrt" path="/summary"/>
        public Tensor Sqrt() => Functions.Sqrt(x);

        /// <inheritdoc cref="Functions.Tanh" path="/summary"/>
        public Tensor Tanh() => Functions.Tanh(x);

        /// <inheritdoc cref="Functions.Sigmoid" path="/summary"/>
        public Tensor Sigmoid() => Functions.Sigmoid(x);

        /// <inheritdoc cref="Functions.Relu" path="/summary"/>
        public Tensor Relu() => Functions.Relu(x);

        /// <inheritdoc cref="Functions.Silu" path="/summary"/>
        public Tensor Silu() => Functions.Silu(x);

        /// <inheritdoc cref="Functions.Softplus" path="/summary"/>
        public Tensor Softplus() => Functions.Softplus(x);

        /// <inheritdoc cref="Functions.Gelu" path="/summary"/>
        public Tensor Gelu() => Functions.Gelu(x);

        /// <summary>The matrix product with <paramref name="other"/>, <c>[..., M, K]</c> times <c>[..., K, N]</c>.</summary>
        /// <param name="other">A matrix for each of this tensor's, or one for all of them.</param>
        /// <returns><c>[..., M, N]</c>.</returns>
        /// <exception cref="TensorException">The shapes do not fit.</exception>
        public Tensor MatMul(Tensor other)
        {
            ArgumentNullException.ThrowIfNull(x);
            ArgumentNullException.ThrowIfNull(other);
            return Ops.MatMul.Multiply(x, other);
        }

        /// <summary>
        /// Repeats dimensions of length 1 (and leading ones that are not there) without a copy. The gradient of an element
        /// is the sum of those of its repetitions.
        /// </summary>
        /// <param name="shape">The wanted shape.</param>
        /// <exception cref="TensorException">The shape does not fit.</exception>
        public Tensor Expand(Shape shape)
        {
            ArgumentNullException.ThrowIfNull(x);
            Tensor repeated = x.Repeat(shape);
            Shape before = x.Shape;
            return Tape.Record("expand", repeated, [x], [], g => g.Add(0, RepeatedSums.To(g.Gradient(0)!, before)));
        }
    }
}
