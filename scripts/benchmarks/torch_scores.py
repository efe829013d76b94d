"""SNIP and GraSP in plain PyTorch, as the authors' code computes them: a score of every weight."""

import copy
from collections.abc import Callable

import torch
from torch import nn

Tensors = list[torch.Tensor]


def snip(model: nn.Module, x: torch.Tensor, y: torch.Tensor, temperature: float) -> Tensors:
    """|w dL/dw|, in training mode, of a copy. The temperature is GraSP's."""
    model, weights = _copied(model, redraw=False)
    gradients = torch.autograd.grad(_loss(model, x, y, temperature=1.0), weights)
    return [(w * g).abs().detach() for w, g in zip(weights, gradients, strict=True)]


def grasp(model: nn.Module, x: torch.Tensor, y: torch.Tensor, temperature: float) -> Tensors:
    """-w (H g): g of the halves together first, then each half's Hessian times g."""
    model, weights = _copied(model, redraw=True)
    halves = list(zip(x.chunk(2), y.chunk(2), strict=True))
    gradient = [torch.zeros_like(w) for w in weights]
    for half in halves:
        parts = torch.autograd.grad(_loss(model, *half, temperature), weights)
        gradient = [g + part for g, part in zip(gradient, parts, strict=True)]
    product = [torch.zeros_like(w) for w in weights]
    for half in halves:
        parts = torch.autograd.grad(_loss(model, *half, temperature), weights, create_graph=True)
        inner = sum((g * part).sum() for g, part in zip(gradient, parts, strict=True))
        parts = torch.autograd.grad(inner, weights)
        product = [h + part for h, part in zip(product, parts, strict=True)]
    return [(-w * h).detach() for w, h in zip(weights, product, strict=True)]


def grasp_one_pass(model: nn.Module, x: torch.Tensor, y: torch.Tensor, temperature: float) -> Tensors:
    """The same scores from one forward pass of each half: twice the memory, less time."""
    model, weights = _copied(model, redraw=True)
    halves = zip(x.chunk(2), y.chunk(2), strict=True)
    loss = sum(_loss(model, *half, temperature) for half in halves)
    gradient = torch.autograd.grad(loss, weights, create_graph=True)
    product = torch.autograd.grad(sum((g * g.detach()).sum() for g in gradient), weights)
    return [(-w * h).detach() for w, h in zip(weights, product, strict=True)]


def _loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor, temperature: float) -> torch.Tensor:
    return nn.functional.cross_entropy(model(x) / temperature, y)


def _copied(model: nn.Module, redraw: bool) -> tuple[nn.Module, Tensors]:
    """A copy, which alone sees new moving statistics and a new classifier, and its weights."""
    model = copy.deepcopy(model).train()
    modules = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    if redraw:
        nn.init.xavier_normal_(modules[-1].weight)
    return model, [module.weight for module in modules]


SCORES: dict[str, Callable[..., Tensors]] = {"snip": snip, "grasp": grasp, "grasp_one_pass": grasp_one_pass}
