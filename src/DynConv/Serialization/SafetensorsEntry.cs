namespace DynConv.Serialization;

/// <summary>What a safetensors file says about one of its tensors.</summary>
/// <param name="Name">Unique in its file.</param>
/// <param name="Type">Element type in the file.</param>
/// <param name="Shape">Dimensions, outermost first.</param>
/// <param name="Begin">First byte, counted from the end of the header.</param>
/// <param name="End">The byte after the last.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, Shape Shape, long Begin, long End);
