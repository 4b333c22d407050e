namespace DynConv;

public sealed partial class Tensor
{
    private GradientSlot? _slot;
    private GradientRegion? _region;
    private Func<Tensor, Tensor>? _path;

    /// <summary>Whether gradients flow through this tensor.</summary>
    public bool RequiresGradient => _slot is { IsClosed: false };

    /// <summary>
    /// What <see cref="Tape.Backward(Tensor, Tensor?)"/> has left here, in this tensor's shape, summed over all passes since
    /// <see cref="ClearGradient"/>; null if no pass has reached it. Only for tensors made with
    /// <see cref="RequireGradient"/> and their views.
    /// </summary>
    /// <remarks>It belongs to this tensor: it lives in no scope, and is disposed with the tensor or when it is cleared.</remarks>
    public Tensor? Gradient => _slot is { IsLeaf: true } ? _slot.GradientOf(this) : null;

    /// <summary>Asks for this tensor's gradient in later backward passes; the tensor becomes a leaf.</summary>
    /// <returns>This tensor.</returns>
    public Tensor RequireGradient()
    {
        if (DType == DType.Int32)
        {
            throw new TensorException("gradient", "whole numbers have no gradient.", this);
        }

        if (_slot is null or { IsClosed: true })
        {
            (_region, _path) = (null, null);
            Hold(new GradientSlot(this, isLeaf: true));
        }

        return this;
    }

    /// <summary>
    /// Gives the gradient's memory back; the next pass starts from zero. Views share one gradient, and clear it together.
    /// </summary>
    public void ClearGradient() => _slot?.Release();

    /// <summary>
    /// A view of <paramref name="copy"/>, which holds this tensor's values in another dtype: ops compute with the copy,
    /// and gradients go straight to this tensor, in its own dtype.
    /// </summary>
    /// <param name="copy">Has this tensor's shape and device.</param>
    internal Tensor RepresentedBy(Tensor copy)
    {
        Tensor view = copy.Detach();
        if (_slot is not null)
        {
            view.Hold(_slot);
        }

        view._region = _region;
        view._path = _path;
        return view;
    }

    internal GradientSlot? Slot => _slot;

    internal GradientRegion? Region => _region;

    internal void Track(GradientSlot slot) => Hold(slot);

    /// <summary>The part of the root's gradient that belongs to this view.</summary>
    internal Tensor Through(Tensor whole) => _path is null ? whole.Detach() : _path(whole.Detach());

    private void Hold(GradientSlot slot)
    {
        _slot?.LetGo(this);
        _slot = slot;
        slot.Hold();
    }

    private Tensor Inherit(Tensor view, GradientRegion? region, Func<Tensor, Tensor> step)
    {
        if (_slot is not null)
        {
            Func<Tensor, Tensor>? before = _path;
            view.Hold(_slot);
            view._region = region;
            view._path = before is null ? step : g => step(before(g));
        }

        return view;
    }
}
