namespace DynConv.Training.Data;

/// <summary>Reads a JSON object from each line that is not blank.</summary>
internal sealed class JsonLinesReader(string name, TextStream stream, TextOptions options, BadLines bad)
    : JsonRecordReader(name, stream, options, bad)
{
    private bool _isBehindLine;

    protected override string Place => $"line {Number}";

    protected override bool TryNext(out int length, out bool isTooLong)
    {
        while (true)
        {
            // The line break behind the line before.
            Skip(_isBehindLine ? 1 : 0);
            _isBehindLine = false;
            Number++;
            isTooLong = false;
            if (!FindEnd(out length, ref isTooLong))
            {
                return false;
            }

            if (isTooLong || !Unread[..length].Trim(" \t\r"u8).IsEmpty)
            {
                return true;
            }

            Skip(length);
        }
    }

    private bool FindEnd(out int length, ref bool isTooLong)
    {
        int searched = 0;
        while (true)
        {
            int found = Unread[searched..].IndexOf((byte)'\n');
            if (found >= 0)
            {
                length = searched + found;
                _isBehindLine = true;
                return true;
            }

            if (!ReadOn(out searched, ref isTooLong))
            {
                length = searched;
                return length > 0 || isTooLong;
            }
        }
    }
}
