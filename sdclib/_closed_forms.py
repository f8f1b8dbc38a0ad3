"""Sparsemax and 1.5-entmax in closed form, with derivatives written by hand: what :mod:`sdclib.activations` applies after its checks."""

import torch

__all__ = ["HALF", "Entmax15", "Sparsemax", "TransformedEntmax15", "TransformedSparsemax", "apply"]

HALF = (torch.bfloat16, torch.float16)


def apply(function, transformed, scores, largest, dim):
    """Apply one of two Functions that compute the same: ``transformed`` is open to vmap, for which every call binds its arguments by
    their signature anew. On small tensors that takes a tenth of the time, so it is applied only where it is needed.
    """
    if scores.dtype in HALF:  # a cumulative sum in so few digits would miss sum 1 by a percent
        return apply(function, transformed, scores.float(), largest.float(), dim).to(scores.dtype)
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        function = transformed
    return function.apply(scores, largest, dim)


def _ranks(like, dim):
    """1, 2, ..., m as a tensor that broadcasts along ``dim`` of another."""
    shape = [1] * like.ndim
    shape[dim] = -1
    return torch.arange(1, like.shape[dim] + 1, device=like.device, dtype=like.dtype).view(shape)


def _keep(ctx, inputs, output):
    """What the backward of sparsemax and of entmax15 needs."""
    ctx.dim = inputs[-1]
    ctx.save_for_backward(output)


def _sparsemax(scores, largest, dim):
    scores = scores - largest  # shift-invariant; keeps the cumulative sum accurate
    total = scores.sort(dim, descending=True).values.cumsum(dim)
    # Were the k largest scores the support, tau would be (total - 1) / k. It is the largest of these: with a smaller tau the k would weigh more than 1.
    tau = total.sub_(1).div_(_ranks(scores, dim)).amax(dim, keepdim=True)
    return scores.sub_(tau).relu_()


class Sparsemax(torch.autograd.Function):
    """Weights from scores, the largest of them and the axis; the backward is differentiable."""

    @staticmethod
    def forward(ctx, scores, largest, dim):
        weights = _sparsemax(scores, largest, dim)
        _keep(ctx, (scores, largest, dim), weights)
        return weights

    @staticmethod
    def backward(ctx, gradient):
        support = ctx.saved_tensors[0] > 0
        gradient = torch.where(support, gradient, 0)
        mean = gradient.sum(ctx.dim, keepdim=True) / support.sum(ctx.dim, keepdim=True)
        return torch.where(support, gradient - mean, 0), None, None


class TransformedSparsemax(Sparsemax):
    """The same for vmap and torch.compile."""

    generate_vmap_rule = True
    forward = staticmethod(_sparsemax)
    setup_context = staticmethod(_keep)


def _entmax15(scores, largest, dim):
    half = (scores - largest).div_(2)  # in place only where vmap has a rule for it
    ordered = half.sort(dim, descending=True).values.clamp(min=-2)  # below -1 nothing is in the support; -inf would give NaN
    rank = _ranks(half, dim)
    mean = ordered.cumsum(dim).div_(rank)
    spread = torch.addcmul(ordered.square().cumsum(dim), rank, mean.square(), value=-1)
    tau = mean.sub_((1 - spread).div_(rank).relu_().sqrt_())
    size = (tau <= ordered).sum(dim, keepdim=True)
    return half.sub_(tau.gather(dim, size - 1)).relu_().square()


class Entmax15(torch.autograd.Function):
    """Weights from scores, the largest of them and the axis; the backward is differentiable."""

    @staticmethod
    def forward(ctx, scores, largest, dim):
        weights = _entmax15(scores, largest, dim)
        _keep(ctx, (scores, largest, dim), weights)
        return weights

    @staticmethod
    def backward(ctx, gradient):
        (weights,) = ctx.saved_tensors
        support = weights > 0  # where before the root: its derivative at 0 is infinite
        root = torch.where(support, torch.where(support, weights, 1).sqrt(), 0)
        gradient = gradient * root
        mean = gradient.sum(ctx.dim, keepdim=True) / root.sum(ctx.dim, keepdim=True)
        return gradient.addcmul(root, mean, value=-1), None, None


class TransformedEntmax15(Entmax15):
    """The same for vmap and torch.compile."""

    generate_vmap_rule = True
    forward = staticmethod(_entmax15)
    setup_context = staticmethod(_keep)
