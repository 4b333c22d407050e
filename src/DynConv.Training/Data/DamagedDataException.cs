namespace DynConv.Training.Data;

/// <summary>Packed or binary data breaks off or is not what it should be.</summary>
/// <param name="problem">Continues a sentence that begins with the file's name.</param>
/// <param name="cause">What noticed it.</param>
internal sealed class DamagedDataException(string problem, Exception? cause = null) : Exception(problem, cause);
