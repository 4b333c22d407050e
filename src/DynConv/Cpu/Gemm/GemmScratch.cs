namespace DynConv.Cpu;

/// <summary>
/// Room for packed factors: two buffers for each thread, which grow to what its largest product needs and stay. A
/// thread that starts a product lends its B buffer to the others for as long as the product takes.
/// </summary>
internal static unsafe class GemmScratch
{
    [ThreadStatic]
    private static Buffer? _a;

    [ThreadStatic]
    private static Buffer? _b;

    /// <summary>Room for packed rows of A.</summary>
    public static float* A(long elements) => (_a ??= new Buffer()).Reserve(elements);

    /// <summary>Room for packed columns of B.</summary>
    public static float* B(long elements) => (_b ??= new Buffer()).Reserve(elements);

    private sealed class Buffer
    {
        private float* _data;
        private long _elements;

        // Threads end without a word to their statics, so this is the one place to give their memory back.
        ~Buffer() => LargeMemory.Free(_data);

        public float* Reserve(long elements)
        {
            if (elements > _elements)
            {
                LargeMemory.Free(_data);
                _data = null;
                _elements = 0;
                _data = (float*)LargeMemory.Allocate((nuint)elements * sizeof(float));
                _elements = elements;
            }

            return _data;
        }
    }
}
