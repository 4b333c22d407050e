namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>A regular expression as instructions for <see cref="PatternMatcher"/>.</summary>
internal sealed class PatternProgram
{
    private const int MostInstructions = 50_000;

    private readonly List<Instruction> _code = [];

    private PatternProgram()
    {
    }

    /// <summary>The instructions; the first is the start.</summary>
    public Instruction[] Code { get; private set; } = [];

    /// <summary>How many places are remembered so that a loop ends that uses up nothing.</summary>
    public int Slots { get; private set; }

    /// <summary>What the first character of a match can be; null if it can be empty.</summary>
    public CodePointSet? First { get; private set; }

    /// <summary>Translates an expression.</summary>
    /// <exception cref="FormatException">It needs what is not supported; the message is a phrase.</exception>
    public static PatternProgram Compile(PatternNode node)
    {
        var program = new PatternProgram { First = node.First };
        program.Add(node);
        program.Emit(new Instruction(InstructionKind.Match));
        program.Code = [.. program._code];
        return program;
    }

    private void Add(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Character character:
                Emit(new Instruction(InstructionKind.Character) { Set = character.Set });
                break;
            case PatternNode.Sequence sequence:
                foreach (PatternNode part in sequence.Parts)
                {
                    Add(part);
                }

                break;
            case PatternNode.Alternatives alternatives:
                AddAlternatives(alternatives);
                break;
            case PatternNode.Repeat repeat:
                AddRepeat(repeat);
                break;
            case PatternNode.Atomic atomic:
                AddSubprogram(new Instruction(InstructionKind.Atomic), atomic.Node);
                break;
            case PatternNode.Look { Behind: false } look:
                AddSubprogram(new Instruction(InstructionKind.LookAhead) { Negative = look.Negative }, look.Node);
                break;
            case PatternNode.Look look:
                (int least, int most) = look.Node.Length;
                if (most == int.MaxValue)
                {
                    throw new FormatException("it looks back without a limit");
                }

                AddSubprogram(
                    new Instruction(InstructionKind.LookBehind) { Negative = look.Negative, Least = least, Most = most }, look.Node);
                break;
            case PatternNode.Assertion assertion:
                Emit(new Instruction(InstructionKind.Assert) { Place = assertion.Kind });
                break;
            default:
                throw new InvalidOperationException($"{node.GetType()} is not translated.");
        }
    }

    private void AddAlternatives(PatternNode.Alternatives alternatives)
    {
        // Sets of branches are bits of a number.
        if (alternatives.Parts.Count > 32)
        {
            AddAlternatives(new PatternNode.Alternatives(
            [
                .. alternatives.Parts.Take(31),
                new PatternNode.Alternatives([.. alternatives.Parts.Skip(31)]),
            ]));
            return;
        }

        var branches = new Branch[alternatives.Parts.Count];
        int choice = Emit(new Instruction(InstructionKind.Choice) { Branches = branches });
        List<int> ends = [];
        for (int i = 0; i < branches.Length; i++)
        {
            branches[i] = new Branch(_code.Count, alternatives.Parts[i].First);
            Add(alternatives.Parts[i]);
            ends.Add(Emit(new Instruction(InstructionKind.Jump)));
        }

        ends.ForEach(end => _code[end].Target = _code.Count);
        _code[choice].Ascii = [.. Enumerable.Range(0, 128).Select(c => branches.Index()
            .Aggregate(0u, (mask, branch) => branch.Item.First?.Contains(c) is false ? mask : mask | (1u << branch.Index)))];
    }

    private void AddRepeat(PatternNode.Repeat repeat)
    {
        if (repeat is { Node: PatternNode.Character character, Kind: RepeatKind.Greedy or RepeatKind.Possessive })
        {
            Emit(new Instruction(InstructionKind.Run)
            {
                Set = character.Set,
                Least = repeat.Least,
                Most = repeat.Most ?? int.MaxValue,
                Possessive = repeat.Kind == RepeatKind.Possessive,
            });
            return;
        }

        if (repeat.Kind == RepeatKind.Possessive)
        {
            // Made anew, as a copy would share what the other has worked out of itself.
            Add(new PatternNode.Atomic(new PatternNode.Repeat(repeat.Node, repeat.Least, repeat.Most, RepeatKind.Greedy)));
            return;
        }

        for (int i = 0; i < repeat.Least; i++)
        {
            Add(repeat.Node);
        }

        bool lazy = repeat.Kind == RepeatKind.Lazy;
        if (repeat.Most is int most)
        {
            List<int> splits = [];
            for (int i = repeat.Least; i < most; i++)
            {
                splits.Add(Emit(new Instruction(InstructionKind.Split) { Lazy = lazy }));
                Add(repeat.Node);
            }

            splits.ForEach(split => _code[split].Target = _code.Count);
            return;
        }

        int slot = Slots++;
        int start = Emit(new Instruction(InstructionKind.Split) { Lazy = lazy });
        Emit(new Instruction(InstructionKind.Remember) { Slot = slot });
        Add(repeat.Node);
        Emit(new Instruction(InstructionKind.Loop) { Slot = slot, Target = start });
        _code[start].Target = _code.Count;
    }

    private void AddSubprogram(Instruction instruction, PatternNode node)
    {
        int index = Emit(instruction);
        Add(node);
        Emit(new Instruction(InstructionKind.Match));
        _code[index].Target = _code.Count;
    }

    private int Emit(Instruction instruction)
    {
        if (_code.Count == MostInstructions)
        {
            throw new FormatException("it is too large");
        }

        _code.Add(instruction);
        return _code.Count - 1;
    }

    /// <summary>A way of a <see cref="InstructionKind.Choice"/>.</summary>
    /// <param name="Start">Its first instruction.</param>
    /// <param name="First">What its first character can be; null if it can match without one.</param>
    public readonly record struct Branch(int Start, CodePointSet? First);

    /// <summary>One step.</summary>
    public sealed class Instruction(InstructionKind kind)
    {
        public InstructionKind Kind { get; } = kind;

        /// <summary>Where to go on: another way of a split, the start of a loop, what follows a subprogram.</summary>
        public int Target { get; set; }

        public CodePointSet Set { get; init; } = CodePointSet.Empty;

        public int Least { get; init; }

        public int Most { get; init; }

        public int Slot { get; init; }

        public bool Possessive { get; init; }

        public bool Lazy { get; init; }

        public bool Negative { get; init; }

        public PlaceKind Place { get; init; }

        public Branch[] Branches { get; init; } = [];

        /// <summary>For each character of ASCII the branches that can begin with it, as bits.</summary>
        public uint[] Ascii { get; set; } = [];
    }

    /// <summary>What an instruction does.</summary>
    public enum InstructionKind
    {
        /// <summary>The end of the program or subprogram.</summary>
        Match,

        /// <summary>One character of the set.</summary>
        Character,

        /// <summary>From Least to Most characters of the set.</summary>
        Run,

        /// <summary>Goes on at the target.</summary>
        Jump,

        /// <summary>Goes on with the next instruction, or else at the target; the other way round if lazy.</summary>
        Split,

        /// <summary>Goes on with the first branch that leads to a match.</summary>
        Choice,

        /// <summary>Remembers the place in the slot.</summary>
        Remember,

        /// <summary>Goes back to the target, unless the place is still that in the slot.</summary>
        Loop,

        /// <summary>Runs the subprogram that follows, in one way only.</summary>
        Atomic,

        /// <summary>Goes on if the subprogram that follows matches here, or does not.</summary>
        LookAhead,

        /// <summary>Goes on if the subprogram that follows matches up to here, or does not.</summary>
        LookBehind,

        /// <summary>Goes on if the place is of this kind.</summary>
        Assert,
    }
}
