using System.Runtime.CompilerServices;

namespace DynConv.Cuda;

/// <summary>One argument of a kernel: a tensor's address, a number, or a small struct passed by value.</summary>
internal readonly unsafe struct KernelArgument
{
    private readonly ulong _bits;
    private readonly nint _struct;

    private KernelArgument(ulong bits, nint address = 0)
    {
        _bits = bits;
        _struct = address;
    }

    /// <summary>A struct that has the layout of its CUDA counterpart: a local variable, so that it stays where it is.</summary>
    public static KernelArgument Of<T>(ref readonly T local)
        where T : unmanaged
    {
        _ = Checked<T>.IsMarked;
        return new(0, (nint)Unsafe.AsPointer(ref Unsafe.AsRef(in local)));
    }

    public static implicit operator KernelArgument(Tensor? tensor) => new((ulong)(tensor?.Address ?? 0));

    public static implicit operator KernelArgument(nint address) => new((ulong)address);

    public static implicit operator KernelArgument(int value) => new((uint)value);

    public static implicit operator KernelArgument(uint value) => new(value);

    public static implicit operator KernelArgument(long value) => new((ulong)value);

    public static implicit operator KernelArgument(float value) => new(BitConverter.SingleToUInt32Bits(value));

    /// <summary>Where the driver reads the argument from; <paramref name="argument"/> lies on the stack.</summary>
    public static void* Address(KernelArgument* argument) =>
        argument->_struct != 0 ? (void*)argument->_struct : &argument->_bits;

    /// <summary>Refuses, the first time, a struct that no compiler compares with its counterpart.</summary>
    private static class Checked<T>
    {
        public static readonly bool IsMarked = typeof(T).IsDefined(typeof(CudaStructAttribute), inherit: false)
            ? true
            : throw new InvalidOperationException($"{typeof(T)} lacks {nameof(CudaStructAttribute)}, which has compilers check its layout.");
    }
}
