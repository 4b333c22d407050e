using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class SquareTests : OpTests<SquareTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { [], [1], [5], [3, 17], [0, 4], [2, 3, 129], [4, 1040] }
        select OpCase.Of($"square {shape}", Square.Description, [shape], x => [[.. x[0].Select(v => v * v)]]);
}
