using System.Reflection;
using System.Runtime.ExceptionServices;
using DynConv.Modules;

namespace DynConv.Tests;

/// <summary>Nothing where something is wanted is met by its name, everywhere in the public surface.</summary>
public sealed class NullArgumentTests
{
    /// <summary>Types that there is an instance of to call a method on.</summary>
    private static readonly Type[] Made = [typeof(Tensor), typeof(Device), typeof(RandomSource), typeof(TensorScope), typeof(Tape), typeof(StaticShortConvolution)];

    private static readonly NullabilityInfoContext Nullability = new();

    /// <summary>Every parameter of a public method or constructor that may not be null, and that there is a value for beside it.</summary>
    public static TheoryData<string, int> Parameters
    {
        get
        {
            using var scope = new TensorScope();
            var data = new TheoryData<string, int>();
            foreach ((string name, MethodBase method) in Methods())
            {
                ParameterInfo[] parameters = method.GetParameters();
                for (int i = 0; i < parameters.Length; i++)
                {
                    if (!parameters[i].ParameterType.IsValueType
                        && !parameters[i].ParameterType.IsByRef
                        && Nullability.Create(parameters[i]).WriteState == NullabilityState.NotNull
                        && parameters.All(other => other == parameters[i] || HasValue(other)))
                    {
                        data.Add(name, i);
                    }
                }
            }

            return data;
        }
    }

    [Fact]
    public void There_are_many() => Assert.InRange(Parameters.Count, 80, 1000);

    [Theory]
    [MemberData(nameof(Parameters))]
    public void Null_is_refused_by_name(string name, int index)
    {
        using var scope = new TensorScope();
        MethodBase method = Methods().First(pair => pair.Name == name).Method;
        ParameterInfo parameter = method.GetParameters()[index];
        object?[] arguments = [.. method.GetParameters().Select((other, i) => i == index ? null : Value(other.ParameterType))];
        ArgumentNullException failure = Assert.Throws<ArgumentNullException>(() =>
        {
            try
            {
                _ = method is ConstructorInfo constructor ? constructor.Invoke(arguments) : method.Invoke(method.IsStatic ? null : Value(method.DeclaringType!), arguments);
            }
            catch (TargetInvocationException exception)
            {
                ExceptionDispatchInfo.Throw(exception.InnerException!);
            }
        });
        Assert.Equal(parameter.Name, failure.ParamName);
    }

    private static IEnumerable<(string Name, MethodBase Method)> Methods() =>
        from type in typeof(Tensor).Assembly.GetExportedTypes()
        where !type.IsGenericTypeDefinition && !type.IsSubclassOf(typeof(Delegate)) && !type.IsSubclassOf(typeof(Exception)) && !IsRecord(type)
        from method in type.GetMembers(BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly).OfType<MethodBase>()
        where !method.IsSpecialName || method is ConstructorInfo
        where !method.IsAbstract && !method.ContainsGenericParameters && !type.IsAbstract | method.IsStatic
        where method.IsStatic || method is ConstructorInfo || Array.IndexOf(Made, type) >= 0
        select ($"{type.Name}.{method}", method);

    // What compilers write for records takes null as it is.
    private static bool IsRecord(Type type) => type.GetMethod("<Clone>$") is not null || type.GetMethod("PrintMembers", BindingFlags.NonPublic | BindingFlags.Instance) is not null;

    private static bool HasValue(ParameterInfo parameter) =>
        !parameter.ParameterType.IsByRefLike
        && (Value(parameter.ParameterType) is not null || Nullability.Create(parameter).WriteState == NullabilityState.Nullable);

    private static Tape Closed()
    {
        var tape = new Tape();
        tape.Dispose();
        return tape;
    }

    private static object? Value(Type type) =>
        type == typeof(Tensor) ? Tensor.Zeros([2, 3, 4])
        : type == typeof(Shape) ? Shape.Create([2, 3, 4])
        : type == typeof(string) ? "text"
        : type == typeof(Device) ? Device.Cpu
        : type == typeof(RandomSource) ? new RandomSource(1)
        : type == typeof(TensorScope) ? TensorScope.Current
        : type == typeof(Tape) ? Closed()
        : type == typeof(Action) ? static () => { }
        : type == typeof(Exception) ? new InvalidOperationException()
        : type == typeof(StaticShortConvolution) ? new StaticShortConvolution(4, 2, new RandomSource(1))
        : type == typeof(ShortConvolution) ? new StaticShortConvolution(4, 2, new RandomSource(1))
        : type == typeof(Tensor[]) ? new[] { Tensor.Zeros([2]) }
        : type == typeof(int) || type == typeof(long) ? Convert.ChangeType(4, type)
        : type.IsArray ? Array.CreateInstance(type.GetElementType()!, 1)
        : type.IsValueType && !type.IsByRefLike ? Activator.CreateInstance(type)
        : null;
}
