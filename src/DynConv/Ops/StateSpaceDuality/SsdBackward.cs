using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>What the backward pass on the CPU reads and writes; gradients of results that nothing depends on are none.</summary>
/// <param name="Inputs">Inputs of the op.</param>
/// <param name="Scores">As of <see cref="SsdInputs.Scores"/>.</param>
/// <param name="Upstream">Gradient of y.</param>
/// <param name="FinalGradient">Gradient of the final states.</param>
/// <param name="States">Room for the states before the chunks, [chunks, H, P, N].</param>
/// <param name="StateGradients">Room for the gradients of the states behind the chunks, [chunks, H, P, N].</param>
/// <param name="RateParts">Room for what each chunk adds to the gradient of a, and then of D: [chunks, 2, H].</param>
/// <param name="X">Gradient of x.</param>
/// <param name="Dt">Gradient of dt.</param>
/// <param name="B">Gradient of b.</param>
/// <param name="C">Gradient of c.</param>
/// <param name="Initial">Gradient of the initial states.</param>
internal sealed record SsdBackwardPass(
    SsdInputs Inputs,
    StateRows Scores,
    TokenHeads Upstream,
    StateRows FinalGradient,
    StateRows States,
    StateRows StateGradients,
    Tensor RateParts,
    HeadTarget X,
    HeadTarget Dt,
    HeadTarget B,
    HeadTarget C,
    HeadTarget Initial)
{
    /// <summary>Copies the gradient of a chunk's results to dense memory; zeros where there is none.</summary>
    public unsafe void ReadUpstream(TokenChunk tokens, long head, float* to)
    {
        long length = Inputs.Shape.HeadSize;
        if (Upstream.IsNone)
        {
            new Span<float>(to, checked((int)(tokens.Count * length))).Clear();
        }
        else
        {
            Upstream.Gather(tokens.Start, tokens.Count, head, length, to);
        }
    }
}

/// <summary>One chunk of one group, head after head, given the states before it and the gradients of those behind.</summary>
internal readonly unsafe struct SsdBackward(SsdBackwardPass pass, TokenChunk tokens, long group) : ISimdKernel
{
    private const int Size = SsdChunk.Size;

    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        SsdShape shape = pass.Inputs.Shape;
        using var work = new Work(pass, tokens, group);
        for (long head = group * shape.HeadsAGroup; head < (group + 1) * shape.HeadsAGroup; head++)
        {
            work.Run<TSimd, TVector>(head);
        }

        work.FinishGroup();
    }

    private sealed class Work : IDisposable
    {
        private readonly SsdBackwardPass _pass;
        private readonly SsdChunk _chunk;
        private readonly long _group;
        private readonly long _p;
        private readonly long _n;
        private readonly Tensor _memory;
        private readonly float* _upstream;
        private readonly float* _dx;
        private readonly float* _throughState;
        private readonly float* _rows;
        private readonly float* _db;
        private readonly float* _dc;
        private readonly float* _products;
        private readonly float* _scoreGradient;
        private readonly float* _pairs;
        private readonly float* _dt;
        private readonly float* _fromState;
        private readonly float* _toState;

        public Work(SsdBackwardPass pass, TokenChunk tokens, long group)
        {
            _pass = pass;
            _group = group;
            (_p, _n) = (pass.Inputs.Shape.HeadSize, pass.Inputs.Shape.StateSize);
            _chunk = new SsdChunk(pass.Inputs);
            _chunk.LoadGroup(tokens, group);
            const int Vectors = 3;
            const int Squares = 3;
            _memory = Tensor.Empty([(Size * 3 * (_p + _n)) + (Squares * Size * Size) + (Vectors * Size)]);
            _upstream = _memory.Float();
            _dx = _upstream + (Size * _p);
            _throughState = _dx + (Size * _p);
            _rows = _throughState + (Size * _p);
            _db = _rows + (Size * _n);
            _dc = _db + (Size * _n);
            _products = _dc + (Size * _n);
            _scoreGradient = _products + (Size * Size);
            _pairs = _scoreGradient + (Size * Size);
            _dt = _pairs + (Size * Size);
            _fromState = _dt + Size;
            _toState = _fromState + Size;

            // What the heads of the group add to.
            new Span<float>(_db, checked((int)(2 * Size * _n))).Clear();
            new Span<float>(_scoreGradient, Size * Size).Clear();
        }

        private TokenChunk Tokens => _chunk.Tokens;

        private int Count => _chunk.Count;

        public void Dispose()
        {
            _chunk.Dispose();
            _memory.Dispose();
        }

        public void Run<TSimd, TVector>(long head)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float* state = _pass.States.Dense(Tokens.Place, head);
            float* stateGradient = _pass.StateGradients.Dense(Tokens.Place, head);
            float* scores = _pass.Scores.Dense(Tokens.Place, _group);
            _chunk.LoadHead<TSimd, TVector>(head, withPairs: true);
            _chunk.Weigh<TSimd, TVector>(scores);
            _pass.ReadUpstream(Tokens, head, _upstream);
            SsdChunk.Product(
                Count, Count, _p, new(_upstream, _p), new(_chunk.X, _p, transposed: true), _products, Size, accumulate: false);
            SsdChunk.Product(
                Count, _p, Count, new(_chunk.Weights, Size, transposed: true), new(_upstream, _p), _dx, _p, accumulate: false);
            Pairs<TSimd, TVector>(scores);
            float whole = _chunk.Decays.Whole * RowMath.Dot<TSimd, TVector>(stateGradient, state, _p * _n);
            ToState<TSimd, TVector>(stateGradient);
            FromState<TSimd, TVector>(state);
            float d = _pass.Inputs.D[head];
            float dd = 0;
            for (int i = 0; i < Count; i++)
            {
                RowMath.AddScaled<TSimd, TVector>(_dx + (i * _p), _upstream + (i * _p), d, _p);
                dd += RowMath.Dot<TSimd, TVector>(_upstream + (i * _p), _chunk.X + (i * _p), _p);
            }

            float* parts = _pass.RateParts.Float() + (Tokens.Place * 2 * _pass.Inputs.Shape.Heads) + head;
            parts[0] = Decays<TSimd, TVector>(whole, _pass.Inputs.A[head]);
            parts[_pass.Inputs.Shape.Heads] = dd;
            _pass.X.Write(Tokens.Start, Count, head, _dx, _p);
            _pass.Dt.Write(Tokens.Start, Count, head, _dt, 1);
        }

        /// <summary>What goes by way of the products of b and c, once for all heads.</summary>
        public void FinishGroup()
        {
            SsdChunk.Product(Count, _n, Count, new(_scoreGradient, Size), _chunk.B, _dc, _n, accumulate: true);
            SsdChunk.Product(Count, _n, Count, new(_scoreGradient, Size, transposed: true), _chunk.C, _db, _n, accumulate: true);
            _pass.B.Write(Tokens.Start, Count, _group, _db, _n);
            _pass.C.Write(Tokens.Start, Count, _group, _dc, _n);
        }

        /// <summary>
        /// Gradients of the products <c>c_i . b_j</c>, of the logarithm of the decay between each pair of tokens, and of the step sizes as
        /// factors of what is read within the chunk.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Pairs<TSimd, TVector>(float* scores)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            new Span<float>(_dt, Size).Clear();
            for (int i = 0; i < Count; i++)
            {
                // What is masked may be infinite, and is not multiplied by the zero of its decay.
                int row = i * Size;
                new Span<float>(_products + row + i + 1, Size - i - 1).Clear();
                for (int j = 0; j <= i; j += TSimd.Width)
                {
                    TVector dt = TSimd.Load(_chunk.Dt + j);
                    TVector decayed = TSimd.Multiply(TSimd.Load(_products + row + j), TSimd.Load(_chunk.Decays.Pairs + row + j));
                    TVector weighed = TSimd.Multiply(decayed, TSimd.Load(scores + row + j));
                    TSimd.Store(_dt + j, TSimd.Add(TSimd.Load(_dt + j), weighed));
                    TSimd.Store(_pairs + row + j, TSimd.Multiply(weighed, dt));
                    TSimd.Store(_scoreGradient + row + j, TSimd.MultiplyAdd(decayed, dt, TSimd.Load(_scoreGradient + row + j)));
                }
            }
        }

        /// <summary>What the tokens write to the state behind the chunk.</summary>
        private void ToState<TSimd, TVector>(float* gradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            SsdChunk.Product(Count, _p, _n, _chunk.B, new(gradient, _n, transposed: true), _throughState, _p, accumulate: false);
            SsdChunk.Product(Count, _n, _p, new(_chunk.X, _p), new(gradient, _n), _rows, _n, accumulate: false);
            for (int i = 0; i < Count; i++)
            {
                float product = RowMath.Dot<TSimd, TVector>(_throughState + (i * _p), _chunk.X + (i * _p), _p);
                _dt[i] += _chunk.Decays.ToEnd[i] * product;
                _toState[i] = _chunk.ToState[i] * product;
                RowMath.AddScaled<TSimd, TVector>(_dx + (i * _p), _throughState + (i * _p), _chunk.ToState[i], _p);
                RowMath.AddScaled<TSimd, TVector>(_db + (i * _n), _rows + (i * _n), _chunk.ToState[i], _n);
            }
        }

        /// <summary>What the tokens read from the state before the chunk.</summary>
        private void FromState<TSimd, TVector>(float* state)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            SsdChunk.Product(Count, _n, _p, new(_upstream, _p), new(state, _n), _rows, _n, accumulate: false);
            for (int i = 0; i < Count; i++)
            {
                float* c = _chunk.C.FromRow(i).Data;
                _fromState[i] = _chunk.Decays.FromStart[i] * RowMath.Dot<TSimd, TVector>(_rows + (i * _n), c, _n);
                RowMath.AddScaled<TSimd, TVector>(_dc + (i * _n), _rows + (i * _n), _chunk.Decays.FromStart[i], _n);
            }
        }

        /// <summary>
        /// Adds to the gradient of dt what goes by way of the decays, and gives that of a. The decay of token t lies between all pairs with
        /// one before it and the other not: the state before the chunk and that behind it count as tokens. Only sums, since differences
        /// of larger sums would lose what a small decay leaves.
        /// </summary>
        private float Decays<TSimd, TVector>(float whole, float a)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            // Sums over the tokens from i on: of each column of pairs, and of what is read from the state.
            float* columns = _products;
            new Span<float>(columns, Count).Clear();
            float fromState = whole;
            double da = 0;
            for (int i = Count - 1; i >= 0; i--)
            {
                fromState += _fromState[i];
                RowMath.AddScaled<TSimd, TVector>(columns, _pairs + (i * Size), 1, i);
                float sum = fromState;
                for (int j = 0; j < i; j++)
                {
                    sum += columns[j] + _toState[j];
                }

                _dt[i] += a * sum;
                da += (double)_chunk.Dt[i] * sum;
            }

            return (float)da;
        }
    }
}
