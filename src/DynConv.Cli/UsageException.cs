namespace DynConv.Cli;

/// <summary>The command line asks for something that makes no sense, and its help would have told.</summary>
/// <param name="message">One sentence.</param>
internal sealed class UsageException(string message) : Exception(message);
