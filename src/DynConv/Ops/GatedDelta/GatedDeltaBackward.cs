using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>What the backward pass on the CPU reads and writes; gradients of results that nothing depends on are none.</summary>
internal sealed record GatedDeltaBackwardPass(
    GatedDeltaShape Shape,
    GatedDeltaInputs Inputs,
    TokenHeads Upstream,
    StateRows States,
    StateRows FinalGradient,
    HeadTarget Q,
    HeadTarget K,
    HeadTarget V,
    HeadTarget G,
    HeadTarget Beta,
    HeadTarget Initial);

/// <summary>
/// The value heads of one group of one sequence, from the last chunk to the first. The states at the starts of chunks were saved, all
/// else is computed again.
/// </summary>
internal readonly unsafe struct GatedDeltaBackward(GatedDeltaBackwardPass pass, TokenSequence sequence, long keyHead) : ISimdKernel
{
    private const int Size = GatedDeltaChunk.Size;

    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        using var work = new Work(pass);
        long shared = pass.Shape.Shared;
        for (long head = keyHead * shared; head < (keyHead + 1) * shared; head++)
        {
            bool isFirst = head == keyHead * shared;
            pass.FinalGradient.Read(sequence.Index, head, work.StateGradient, pass.Shape.KeySize, pass.Shape.ValueSize);
            long chunks = (sequence.End - sequence.Start + Size - 1) / Size;
            for (long i = chunks - 1; i >= 0; i--)
            {
                long token = sequence.Start + (i * Size);
                int count = (int)Math.Min(Size, sequence.End - token);
                float* state = pass.States.Dense(TokenChunks.FirstPlace(sequence) + i, head);
                work.Run<TSimd, TVector>(token, count, head, state);
                pass.Q.Write(token, count, keyHead, work.QueryGradient, pass.Shape.KeySize, pass.Shape.Scale, add: !isFirst);
                pass.K.Write(token, count, keyHead, work.KeyGradient, pass.Shape.KeySize, add: !isFirst);
                pass.V.Write(token, count, head, work.ValueGradient, pass.Shape.ValueSize);
                pass.G.Write(token, count, head, work.DecayGradient, 1);
                pass.Beta.Write(token, count, head, work.BetaGradient, 1);
            }

            pass.Initial.WriteState(sequence.Index, head, work.StateGradient, pass.Shape.KeySize * pass.Shape.ValueSize);
        }
    }

    /// <summary>The memory of one item, and the gradients of one chunk.</summary>
    private sealed class Work : IDisposable
    {
        private readonly GatedDeltaBackwardPass _pass;
        private readonly GatedDeltaChunk _chunk;
        private readonly Tensor _memory;
        private readonly float* _upstream;
        private readonly float* _rows;
        private readonly float* _scoreGradient;
        private readonly float* _systemGradient;
        private readonly float* _pairs;
        private readonly float* _fromState;
        private readonly float* _columns;

        public Work(GatedDeltaBackwardPass pass)
        {
            _pass = pass;
            _chunk = new GatedDeltaChunk(pass.Shape);
            (long k, long v) = (pass.Shape.KeySize, pass.Shape.ValueSize);
            const int Vectors = 5;
            _memory = Tensor.Empty([(k * v) + (Size * ((3 * k) + (2 * v))) + (3 * Size * Size) + (Vectors * Size)]);
            StateGradient = _memory.Float();
            QueryGradient = StateGradient + (k * v);
            KeyGradient = QueryGradient + (Size * k);
            _rows = KeyGradient + (Size * k);
            ValueGradient = _rows + (Size * k);
            _upstream = ValueGradient + (Size * v);
            _scoreGradient = _upstream + (Size * v);
            _systemGradient = _scoreGradient + (Size * Size);
            _pairs = _systemGradient + (Size * Size);
            DecayGradient = _pairs + (Size * Size);
            BetaGradient = DecayGradient + Size;
            _fromState = BetaGradient + Size;
            _columns = _fromState + Size;
        }

        /// <summary>Of the state behind the chunk, then of that before it, [K, V].</summary>
        public float* StateGradient { get; }

        /// <summary>Of <c>scale q</c>, [C, K].</summary>
        public float* QueryGradient { get; }

        public float* KeyGradient { get; }

        public float* ValueGradient { get; }

        public float* DecayGradient { get; }

        public float* BetaGradient { get; }

        public void Dispose()
        {
            _chunk.Dispose();
            _memory.Dispose();
        }

        public void Run<TSimd, TVector>(long token, int count, long head, float* state)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            (long k, long v) = (_chunk.K, _chunk.V);
            _chunk.Load<TSimd, TVector>(_pass.Inputs, token, count, head);
            _chunk.Solve<TSimd, TVector>(state);
            if (_pass.Upstream.IsNone)
            {
                new Span<float>(_upstream, checked((int)(count * v))).Clear();
            }
            else
            {
                _chunk.Gather(_pass.Upstream, token, head, v, _upstream);
            }

            // Of the corrections, as results and the state behind the chunk see them; then of the values.
            Product(count, v, count, new(_chunk.Scores, Size, transposed: true), new(_upstream, v), ValueGradient, v, accumulate: false);
            _chunk.ScaleRows<TSimd, TVector>(_chunk.Keys, _chunk.ToEnd, 1);
            Product(count, v, k, new(_chunk.Scaled, k), new(StateGradient, v), ValueGradient, v, accumulate: true);
            _chunk.SolveTransposed<TSimd, TVector>(
                ValueGradient,
                i => BetaGradient[i] = RowMath.Dot<TSimd, TVector>(ValueGradient + (i * v), _chunk.Errors + (i * v), v));

            PairsInside(count, v);
            Product(count, k, count, new(_scoreGradient, Size), new(_chunk.Keys, k), QueryGradient, k, accumulate: false);
            Product(count, k, count, new(_scoreGradient, Size, transposed: true), new(_chunk.Queries, k), KeyGradient, k, accumulate: false);
            Product(count, k, count, new(_systemGradient, Size), new(_chunk.Keys, k), KeyGradient, k, accumulate: true);
            Product(count, k, count, new(_systemGradient, Size, transposed: true), new(_chunk.Keys, k), KeyGradient, k, accumulate: true);
            ThroughStates<TSimd, TVector>(count, state);
            Decays(count);
        }

        /// <summary>
        /// Gradients of the products <c>q_i . k_j</c> and <c>k_i . k_j</c>, and of the logarithm of the decay between each pair of tokens.
        /// </summary>
        private void PairsInside(int count, long v)
        {
            Product(count, count, v, new(_upstream, v), new(_chunk.Corrections, v, transposed: true), _scoreGradient, Size, accumulate: false);
            Product(count, count, v, new(ValueGradient, v), new(_chunk.Corrections, v, transposed: true), _systemGradient, Size, accumulate: false);
            for (int i = 0; i < count; i++)
            {
                for (int j = 0; j < count; j++)
                {
                    int at = (i * Size) + j;

                    // What is masked may be infinite, and is not multiplied by the zero of its decay.
                    (float score, float system) = (j <= i ? _scoreGradient[at] : 0, j < i ? _systemGradient[at] : 0);
                    _pairs[at] = j < i ? (score * _chunk.Scores[at]) + (system * _chunk.System[at]) : 0;
                    _scoreGradient[at] = score * _chunk.Decays[at];
                    _systemGradient[at] = -system * _chunk.Decays[at];
                }
            }
        }

        /// <summary>What goes by way of the states before and behind the chunk.</summary>
        private void ThroughStates<TSimd, TVector>(int count, float* state)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            (long k, long v) = (_chunk.K, _chunk.V);

            // Keys write to the state behind.
            Product(count, k, v, new(_chunk.Corrections, v), new(StateGradient, v, transposed: true), _rows, k, accumulate: false);
            for (int i = 0; i < count; i++)
            {
                _columns[i + 1] = AddRow(KeyGradient, _chunk.Keys, _chunk.ToEnd[i], i);
            }

            _columns[0] = _chunk.Whole * RowMath.Dot<TSimd, TVector>(StateGradient, state, k * v);
            RowMath.Scale<TSimd, TVector>(StateGradient, _chunk.Whole, k * v);

            // Queries read the state before.
            Product(count, k, v, new(_upstream, v), new(state, v, transposed: true), _rows, k, accumulate: false);
            for (int i = 0; i < count; i++)
            {
                _fromState[i] = AddRow(QueryGradient, _chunk.Queries, _chunk.FromStart[i], i);
            }

            _chunk.ScaleRows<TSimd, TVector>(_chunk.Queries, _chunk.FromStart, 1);
            Product(k, v, count, new(_chunk.Scaled, k, transposed: true), new(_upstream, v), StateGradient, v, accumulate: true);

            // Keys find what is stored under them in it.
            Product(count, k, v, new(ValueGradient, v), new(state, v, transposed: true), _rows, k, accumulate: false);
            for (int i = 0; i < count; i++)
            {
                _fromState[i] += AddRow(KeyGradient, _chunk.Keys, -_chunk.FromStart[i], i);
            }

            _chunk.ScaleRows<TSimd, TVector>(_chunk.Keys, _chunk.FromStart, -1);
            Product(k, v, count, new(_chunk.Scaled, k, transposed: true), new(ValueGradient, v), StateGradient, v, accumulate: true);

            float AddRow(float* sums, float* by, float factor, int i)
            {
                float* row = _rows + (i * k);
                RowMath.AddScaled<TSimd, TVector>(sums + (i * k), row, factor, k);
                return factor * RowMath.Dot<TSimd, TVector>(by + (i * k), row, k);
            }
        }

        /// <summary>
        /// The decay of token t lies between all pairs with one before it and the other not: the state before the chunk and that behind
        /// it count as tokens. Only sums, since differences of larger sums would lose what a small decay leaves.
        /// </summary>
        private void Decays(int count)
        {
            for (int i = count - 1; i >= 0; i--)
            {
                _columns[0] += _fromState[i];
                float sum = _columns[0];
                for (int j = 0; j < i; j++)
                {
                    _columns[j + 1] += _pairs[(i * Size) + j];
                    sum += _columns[j + 1];
                }

                DecayGradient[i] = sum;
            }
        }

        private static void Product(long m, long n, long k, GemmOperand a, GemmOperand b, float* c, long stride, bool accumulate) =>
            GatedDeltaChunk.Product(m, n, k, a, b, c, stride, accumulate);
    }
}
