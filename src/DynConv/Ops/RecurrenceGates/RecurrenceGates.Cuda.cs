using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class RecurrenceGates
{
    private const string Source = "recurrence_gates.cu";

    private static readonly (DType Type, int Vector)[] Examples =
        [(DType.Float32, ElementLaunch.Wide), (DType.BFloat16, ElementLaunch.Narrow), (DType.BFloat16, ElementLaunch.Single)];

    private static readonly KernelTable<(DType Type, int Vector)> ForwardTable = new(Source, "recurrence_gates_forward", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> BackwardTable = new(Source, "recurrence_gates_backward", Macros, Examples);

    // What a gate does not have is any other tensor, and is not read.
    private static void ForwardCuda(Gate gate, Tensor x, Tensor? bias, Tensor? rate, float factor, Tensor y) => ElementLaunch.Run(
        vector => ForwardTable[x.Device, (x.DType, vector)],
        [x, bias ?? y, rate ?? y, y],
        x,
        bias ?? y,
        rate ?? y,
        y,
        (int)gate,
        factor);

    private static void BackwardCuda(Gate gate, Tensor dy, Tensor x, Tensor? bias, Tensor? rate, float factor, Tensor dx) => ElementLaunch.Run(
        vector => BackwardTable[x.Device, (x.DType, vector)],
        [dy, x, bias ?? dy, rate ?? dy, dx],
        dy,
        x,
        bias ?? dy,
        rate ?? dy,
        dx,
        (int)gate,
        factor);

    private static (string Name, object Value)[] Macros((DType Type, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
