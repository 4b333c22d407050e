namespace DynConv.Tests;

/// <summary>Fills every fresh buffer with NaN for the whole test run: a read of unwritten memory shows in a result.</summary>
public sealed class PoisonedMemory
{
    public PoisonedMemory() => Device.Cpu.Memory.Poison = true;
}
