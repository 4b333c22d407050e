namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>
/// Matches a <see cref="PatternProgram"/> against code points, backtracking with a stack of its own. For one thread at a
/// time.
/// </summary>
internal sealed class PatternMatcher
{
    // What any sensible pattern needs for a character, and more than any does for one place.
    private const long StepsPerCharacter = 500;
    private const long StepsAtLeast = 20_000_000;
    private const int MostFrames = 1 << 24;
    private const int Failed = -1;

    private Frame[] _frames = new Frame[64];
    private int[] _slots = [];
    private int _count;
    private long _steps;
    private int _searchStart;

    /// <summary>
    /// Finds the matches in a text, one after the other: none overlap, and none is empty where the last one ended.
    /// </summary>
    /// <param name="program">The pattern.</param>
    /// <param name="text">Code points.</param>
    /// <param name="matches">Where their starts and ends go.</param>
    /// <exception cref="TimeoutException">It takes too many steps.</exception>
    public void FindAll(PatternProgram program, ReadOnlySpan<int> text, List<(int Start, int End)> matches)
    {
        if (_slots.Length < program.Slots)
        {
            _slots = new int[program.Slots];
        }

        _steps = Math.Max(StepsAtLeast, StepsPerCharacter * text.Length);
        int lastEnd = Failed;
        for (int from = 0; from <= text.Length;)
        {
            (int start, int end) = Find(program, text, from);
            if (start < 0)
            {
                return;
            }

            if (start == end && end == lastEnd)
            {
                from++;
                continue;
            }

            matches.Add((start, end));
            from = lastEnd = end;
        }
    }

    private (int Start, int End) Find(PatternProgram program, ReadOnlySpan<int> text, int from)
    {
        _searchStart = from;
        CodePointSet? first = program.First;
        for (int start = from; start <= text.Length; start++)
        {
            if (first is not null && (start == text.Length || !first.Contains(text[start])))
            {
                Spend(1);
                continue;
            }

            _count = 0;
            int end = Run(program.Code, text, 0, start, target: Failed);
            if (end >= 0)
            {
                return (start, end);
            }
        }

        return (Failed, Failed);
    }

    // Where the program from this instruction on ends; only ends at the target count, if there is one.
    private int Run(PatternProgram.Instruction[] code, ReadOnlySpan<int> text, int index, int place, int target)
    {
        int bottom = _count;
        while (true)
        {
            PatternProgram.Instruction instruction = code[index];
            bool goesOn = true;
            Spend(1);
            switch (instruction.Kind)
            {
                case PatternProgram.InstructionKind.Match:
                    if (target == Failed || place == target)
                    {
                        _count = bottom;
                        return place;
                    }

                    goesOn = false;
                    break;

                case PatternProgram.InstructionKind.Character:
                    goesOn = place < text.Length && instruction.Set.Contains(text[place]);
                    place++;
                    index++;
                    break;

                case PatternProgram.InstructionKind.Run:
                    int end = RunEnd(instruction, text, place);
                    goesOn = end - place >= instruction.Least;
                    index++;
                    if (goesOn && !instruction.Possessive && end - place > instruction.Least)
                    {
                        Push(new Frame(FrameKind.Shorter, index, end - 1, place + instruction.Least));
                    }

                    place = end;
                    break;

                case PatternProgram.InstructionKind.Jump:
                    index = instruction.Target;
                    break;

                case PatternProgram.InstructionKind.Split:
                    Push(new Frame(FrameKind.Place, instruction.Lazy ? index + 1 : instruction.Target, place, 0));
                    index = instruction.Lazy ? instruction.Target : index + 1;
                    break;

                case PatternProgram.InstructionKind.Choice:
                    goesOn = Choose(instruction, Branches(instruction, text, place), ref index, place);
                    break;

                case PatternProgram.InstructionKind.Remember:
                    Push(new Frame(FrameKind.Slot, instruction.Slot, _slots[instruction.Slot], 0));
                    _slots[instruction.Slot] = place;
                    index++;
                    break;

                case PatternProgram.InstructionKind.Loop:
                    index = place == _slots[instruction.Slot] ? index + 1 : instruction.Target;
                    break;

                case PatternProgram.InstructionKind.Atomic:
                    place = Run(code, text, index + 1, place, target: Failed);
                    goesOn = place >= 0;
                    index = instruction.Target;
                    break;

                case PatternProgram.InstructionKind.LookAhead:
                    goesOn = Run(code, text, index + 1, place, target: Failed) >= 0 != instruction.Negative;
                    index = instruction.Target;
                    break;

                case PatternProgram.InstructionKind.LookBehind:
                    goesOn = LooksBack(code, text, index, place) != instruction.Negative;
                    index = instruction.Target;
                    break;

                case PatternProgram.InstructionKind.Assert:
                    goesOn = Holds(instruction.Place, text, place);
                    index++;
                    break;

                default:
                    throw new InvalidOperationException($"{instruction.Kind} is not run.");
            }

            if (!goesOn && !Return(code, bottom, ref index, ref place))
            {
                return Failed;
            }
        }
    }

    private int RunEnd(PatternProgram.Instruction instruction, ReadOnlySpan<int> text, int place)
    {
        CodePointSet set = instruction.Set;
        int limit = instruction.Most < text.Length - place ? place + instruction.Most : text.Length;
        int end = place;
        while (end < limit && set.Contains(text[end]))
        {
            end++;
        }

        Spend(end - place);
        return end;
    }

    private static uint Branches(PatternProgram.Instruction instruction, ReadOnlySpan<int> text, int place)
    {
        if (place < text.Length && text[place] < 128)
        {
            return instruction.Ascii[text[place]];
        }

        uint mask = 0;
        for (int i = 0; i < instruction.Branches.Length; i++)
        {
            CodePointSet? first = instruction.Branches[i].First;
            mask |= first is null || (place < text.Length && first.Contains(text[place])) ? 1u << i : 0;
        }

        return mask;
    }

    private bool Choose(PatternProgram.Instruction instruction, uint branches, ref int index, int place)
    {
        if (branches == 0)
        {
            return false;
        }

        uint rest = branches & (branches - 1);
        if (rest != 0)
        {
            Push(new Frame(FrameKind.Branches, index, place, (int)rest));
        }

        index = instruction.Branches[int.CreateTruncating(uint.TrailingZeroCount(branches))].Start;
        return true;
    }

    private bool LooksBack(PatternProgram.Instruction[] code, ReadOnlySpan<int> text, int index, int place)
    {
        for (int length = code[index].Least; length <= Math.Min(code[index].Most, place); length++)
        {
            if (Run(code, text, index + 1, place - length, place) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    private bool Holds(PlaceKind kind, ReadOnlySpan<int> text, int place) => kind switch
    {
        PlaceKind.TextStart => place == 0,
        PlaceKind.TextEnd => place == text.Length,
        PlaceKind.LastLineEnd => place == text.Length || (place == text.Length - 1 && text[place] == '\n'),
        PlaceKind.LineStart => place == 0 || (text[place - 1] == '\n' && place < text.Length),
        PlaceKind.LineEnd => place == text.Length || text[place] == '\n',
        PlaceKind.WordBoundary => IsBoundary(text, place),
        PlaceKind.NoWordBoundary => !IsBoundary(text, place),
        _ => place == _searchStart,
    };

    private static bool IsBoundary(ReadOnlySpan<int> text, int place) =>
        (place > 0 && UnicodeSets.Word.Contains(text[place - 1])) != (place < text.Length && UnicodeSets.Word.Contains(text[place]));

    // Takes up the latest other way; false if there is none above the bottom.
    private bool Return(PatternProgram.Instruction[] code, int bottom, ref int index, ref int place)
    {
        while (_count > bottom)
        {
            Frame frame = _frames[--_count];
            switch (frame.Kind)
            {
                case FrameKind.Slot:
                    _slots[frame.Index] = frame.Place;
                    continue;
                case FrameKind.Shorter:
                    if (frame.Place > frame.Extra)
                    {
                        _frames[_count++] = frame with { Place = frame.Place - 1 };
                    }

                    (index, place) = (frame.Index, frame.Place);
                    return true;
                case FrameKind.Branches:
                    (index, place) = (frame.Index, frame.Place);
                    return Choose(code[index], (uint)frame.Extra, ref index, place);
                default:
                    (index, place) = (frame.Index, frame.Place);
                    return true;
            }
        }

        return false;
    }

    private void Push(Frame frame)
    {
        if (_count == _frames.Length)
        {
            if (_count == MostFrames)
            {
                throw new TimeoutException();
            }

            Array.Resize(ref _frames, _count * 2);
        }

        _frames[_count++] = frame;
    }

    private void Spend(int steps)
    {
        _steps -= steps;
        if (_steps < 0)
        {
            throw new TimeoutException();
        }
    }

    // What to go back to. Extra is the place of the shortest run, or the branches that are left.
    private readonly record struct Frame(FrameKind Kind, int Index, int Place, int Extra);

    private enum FrameKind : byte
    {
        Place,
        Shorter,
        Branches,
        Slot,
    }
}
