using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

public static unsafe partial class AdamW
{
    private const int ManyThreads = 256;
    private const long BlockElements = ManyThreads * 32;

    private static readonly KernelTable<(DType Gradient, int Vector)> StepTable = new(
        "adamw.cu",
        "adamw_step",
        key => [("GRADIENT", key.Gradient.CudaName()), .. ElementLaunch.Macros(key.Vector)],
        (DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, ElementLaunch.Single));

    private static readonly KernelTable<DType> ManyTable = new(
        "adamw_many.cu", "adamw_many", type => [("GRADIENT", type.CudaName())], DType.Float32, DType.BFloat16);

    private static void StepCuda(
        Tensor parameter, Tensor gradient, Tensor firstMoment, Tensor secondMoment, Factors factors, Tensor? gradientScale) =>
        ElementLaunch.Run(
            vector => StepTable[parameter.Device, (gradient.DType, vector)],
            [parameter, gradient, firstMoment, secondMoment],
            KernelArgument.Of(in factors),
            gradientScale,
            parameter,
            gradient,
            firstMoment,
            secondMoment);

    private static void StepManyCuda(
        AdamWPart[] parts, HashSet<Counterpart> copies, AdamWStepSettings settings, long step, float gradientScale, Tensor? deviceScale)
    {
        var factors = new Factors(settings, step, gradientScale);
        Device device = parts[0].Weight.Device;
        foreach (IGrouping<DType, AdamWPart> type in parts.GroupBy(static part => part.Gradient.DType))
        {
            foreach (AdamWPart[] some in type.Chunk(PartTable.Most))
            {
                var table = new PartTable(some, copies, settings, out long blocks);
                ManyTable[device, type.Key].Launch(
                    new CudaGrid(blocks, ManyThreads), KernelArgument.Of(in table), KernelArgument.Of(in factors), deviceScale);
            }
        }
    }

    // By value, so that what is recorded of a launch is all of it.
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("adamw_many.cu", "AdamWTable")]
    private struct PartTable
    {
        public const int Most = 64;

        private long _tensors;
        private fixed long _parameters[Most];
        private fixed long _gradients[Most];
        private fixed long _firstMoments[Most];
        private fixed long _secondMoments[Most];
        private fixed long _copies[Most];
        private fixed long _counts[Most];
        private fixed long _firstBlock[Most];
        private fixed float _kept[Most];

        public PartTable(AdamWPart[] parts, HashSet<Counterpart> copies, AdamWStepSettings settings, out long blocks)
        {
            blocks = 0;
            _tensors = parts.Length;
            for (int i = 0; i < parts.Length; i++)
            {
                Tensor weight = parts[i].Weight;
                _parameters[i] = weight.Address;
                _gradients[i] = parts[i].Gradient.Address;
                _firstMoments[i] = parts[i].FirstMoment.Address;
                _secondMoments[i] = parts[i].SecondMoment.Address;
                _copies[i] = weight.Storage.Counterpart is { } copy && copies.Contains(copy) ? copy.AddressOf(weight) : 0;
                _counts[i] = weight.Count;
                _firstBlock[i] = blocks;
                _kept[i] = ShareKept(settings.LearningRate, parts[i].WeightDecay);
                blocks += (weight.Count + BlockElements - 1) / BlockElements;
            }
        }
    }
}
