namespace DynConv.Training;

/// <summary>Refuses numbers that a setting cannot have; each message names the setting and what it can be.</summary>
internal static class SettingRanges
{
    /// <summary>Refuses what is neither a share below 1 nor a whole number of steps.</summary>
    public static void WholeSteps(string name, double value)
    {
        if (value >= 1 && value != Math.Floor(value))
        {
            throw new DynConvException($"{name} is {value}; it has to be a share of the run below 1 or a whole number of steps.");
        }
    }

    /// <summary>Tokens of a step, unless they are more than can be.</summary>
    public static long TokensPerStep(int context, int batch, int accumulate)
    {
        const long MostAtOnce = 1 << 28;
        const long MostPerStep = 1L << 40;
        const long MostAccumulated = 1 << 20;
        long atOnce = (long)context * batch;
        if (atOnce > MostAtOnce)
        {
            throw new DynConvException(
                $"A context of {context} times a batch of {batch} is {atOnce:N0} tokens at once; it can be {MostAtOnce:N0} at most, and accumulate makes larger steps.");
        }

        long most = Math.Min(MostAccumulated, MostPerStep / atOnce);
        return accumulate <= most
            ? atOnce * accumulate
            : throw new DynConvException($"accumulate is {accumulate}; with {atOnce:N0} tokens at once it can be {most:N0} at most.");
    }

    /// <summary>Steps of a run of so many steps or tokens, unless it is longer than any can be.</summary>
    public static long Steps(long? steps, long? tokens, long tokensPerStep, long otherwise)
    {
        const long MostTokens = 1L << 60;
        if (tokens is { } wanted)
        {
            Positive("tokens", wanted);
            return wanted <= MostTokens
                ? (wanted + tokensPerStep - 1) / tokensPerStep
                : throw new DynConvException($"tokens is {wanted}; it can be {MostTokens:N0} at most.");
        }

        long result = steps ?? otherwise;
        Positive("steps", result);
        return result <= MostTokens / tokensPerStep
            ? result
            : throw new DynConvException($"steps is {result}; with {tokensPerStep:N0} tokens a step it can be {MostTokens / tokensPerStep:N0} at most.");
    }

    /// <summary>Refuses less than 1.</summary>
    public static void Positive(string name, long value)
    {
        if (value < 1)
        {
            throw new DynConvException($"{name} is {value}; it has to be at least 1.");
        }
    }

    /// <summary>Refuses less than 0.</summary>
    public static void NotNegative(string name, long value)
    {
        if (value < 0)
        {
            throw new DynConvException($"{name} is {value}; it has to be 0 or more.");
        }
    }

    /// <summary>Refuses what is no number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public static void Range(string name, double value, double least, double most)
    {
        if (!(value >= least && value <= most))
        {
            throw new DynConvException($"{name} is {value}; it has to be from {least} to {most}.");
        }
    }
}
