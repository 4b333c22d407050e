using DynConv.Cpu;

namespace DynConv.Tests.Ops;

/// <summary>A product on padded matrices, its float64 reference, and a C whose padding has to survive.</summary>
internal sealed unsafe class GemmCase
{
    private const int Padding = 3;
    private const float Canary = -12345f;

    private readonly Matrix _a;
    private readonly Matrix _b;
    private readonly int _m;
    private readonly int _n;
    private readonly int _k;

    public GemmCase(int m, int n, int k, bool transposeA, bool transposeB, Func<float> next)
    {
        (_m, _n, _k) = (m, n, k);
        _a = new Matrix(m, k, transposeA, next);
        _b = new Matrix(k, n, transposeB, next);
    }

    /// <summary>
    /// Runs <paramref name="multiply"/> on a C that holds <paramref name="initial"/>, and adds if that is a number.
    /// </summary>
    public float[] Multiply(Action<GemmProblem> multiply, float initial = float.NaN)
    {
        long stride = _n + Padding;
        var c = new float[(_m * stride) + 1];
        c.AsSpan().Fill(Canary);
        for (int row = 0; row < _m; row++)
        {
            c.AsSpan((int)(row * stride), _n).Fill(initial);
        }

        fixed (float* a = _a.Data, b = _b.Data, to = c)
        {
            multiply(new GemmProblem(_m, _n, _k, _a.Operand(a), _b.Operand(b), to, stride, !float.IsNaN(initial)));
        }

        var result = new float[_m * _n];
        for (int row = 0; row < _m; row++)
        {
            c.AsSpan((int)(row * stride), _n).CopyTo(result.AsSpan(row * _n));
            c.AsSpan((int)(row * stride), _n).Fill(Canary);
        }

        Assert.All(c, value => Assert.Equal(Canary, value));
        return result;
    }

    /// <summary>Each element with the sum of its products' magnitudes, to which rounding errors are proportional.</summary>
    public (double Value, double Magnitude)[] Reference()
    {
        var reference = new (double Value, double Magnitude)[_m * _n];
        for (int i = 0; i < reference.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, _n);
            for (int p = 0; p < _k; p++)
            {
                double product = (double)_a[row, p] * _b[p, column];
                reference[i].Value += product;
                reference[i].Magnitude += Math.Abs(product);
            }
        }

        return reference;
    }

    private sealed class Matrix(int rows, int columns, bool transposed, Func<float> next)
    {
        private readonly int _stride = (transposed ? rows : columns) + Padding;

        public float[] Data { get; } =
            [.. Enumerable.Range(0, ((transposed ? columns : rows) * ((transposed ? rows : columns) + Padding)) + 1).Select(_ => next())];

        public float this[int row, int column] => Data[transposed ? (column * _stride) + row : (row * _stride) + column];

        public GemmOperand Operand(float* data) => new(data, _stride, transposed);
    }
}
