using System.Globalization;

namespace DynConv.Optimizers;

/// <summary>Finds the op behind a number that should be finite and is not.</summary>
internal static class NonFiniteFailure
{
    /// <summary>Runs a computation again with every op watched, and names the first that went wrong.</summary>
    /// <param name="what">What was found, and at which step.</param>
    /// <param name="learningRate">The rate of the step.</param>
    /// <param name="again">The computation.</param>
    public static string Explain(string what, double learningRate, Action again)
    {
        string rate = learningRate.ToString("g3", CultureInfo.InvariantCulture);
        return $"{what}. {Cause(again)} A lower learning rate often helps (now {rate}).";
    }

    private static string Cause(Action again)
    {
        try
        {
            using IDisposable check = FiniteCheck.Start();
            again();
            return "Each value by itself is finite when the step is run again.";
        }
        catch (NonFiniteException exception)
        {
            return exception.Message;
        }
        catch (ObjectDisposedException)
        {
            return "What the loss was computed from is gone, so that the op cannot be found by running the step again.";
        }
    }
}
