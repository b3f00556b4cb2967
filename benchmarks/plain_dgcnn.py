"""The peer: DGCNN's classifier as it is usually written, after the paper's equations."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.batch_norm import BatchNorm
from shapesys.nets.dgcnn import DGCNNClassifier

Selection = Literal["sort", "topk"]


def plain_neighbours(x: Tensor, k: int, selection: Selection) -> Tensor:
    """(B, N, k) nearest of x (B, C, N), from all distances as one product of matrices."""
    norms = x.square().sum(dim=1, keepdim=True)
    distances = norms - 2 * x.transpose(1, 2) @ x + norms.transpose(1, 2)
    if selection == "sort":
        return distances.sort(dim=-1).indices[..., :k]
    return distances.topk(k, dim=-1, largest=False).indices


def edge_features(x: Tensor, neighbours: Tensor) -> Tensor:
    """(B, 2 C, N, k): x_j - x_i and x_i side by side on every edge."""
    batch, channels, size = x.shape
    k = neighbours.shape[-1]
    rows = (neighbours + torch.arange(batch).view(-1, 1, 1) * size).view(-1)
    points = x.transpose(1, 2).contiguous()
    near = points.view(-1, channels)[rows].view(batch, size, k, channels)
    own = points.unsqueeze(2).expand(-1, -1, k, -1)
    return torch.cat([near - own, own], dim=3).permute(0, 3, 1, 2).contiguous()


class PlainClassifier(nn.Module):
    """Edge features kept, a 1x1 convolution and batch norm on every edge, then the maximum; channels first."""

    def __init__(self, ours: DGCNNClassifier, selection: Selection) -> None:
        super().__init__()
        self.k, self.selection = ours.layers.k, selection
        edges = [layer.edge_linear for layer in ours.layers.convolutions]
        self.convolutions = nn.ModuleList(_convolution(2, edge.weight) for edge in edges)
        self.norms = nn.ModuleList(_norm(nn.BatchNorm2d, edge.norm) for edge in edges)
        self.embed = _convolution(1, ours.embed.linear.weight)
        self.embed_norm = _norm(nn.BatchNorm1d, ours.embed.norm)
        self.head = nn.ModuleList(_linear(layer.weight, layer.bias) for layer in [*ours.head.linears, ours.head.scores])
        self.head_norms = nn.ModuleList(_norm(nn.BatchNorm1d, cast(BatchNorm, norm)) for norm in ours.head.norms)

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 3) -> (B, classes)."""
        x, outputs = points.transpose(1, 2), []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            edges = edge_features(x, plain_neighbours(x.detach(), self.k, self.selection))
            x = F.leaky_relu(norm(convolution(edges)), 0.2).max(dim=-1)[0]
            outputs.append(x)
        x = F.leaky_relu(self.embed_norm(self.embed(torch.cat(outputs, dim=1))), 0.2)
        pooled = [F.adaptive_max_pool1d(x, 1), F.adaptive_avg_pool1d(x, 1)]
        x = torch.cat(pooled, dim=1).squeeze(2)
        for layer, norm in zip(self.head, self.head_norms, strict=False):
            x = F.leaky_relu(norm(layer(x)), 0.2)
        return self.head[-1](x)

    def gradients(self) -> list[Tensor]:
        """Of the weights, in the order of `weights_of`."""
        layers = [*self.convolutions, self.embed, *self.head]
        return [layer.weight.grad.flatten(1).clone() for layer in layers]


def weights_of(ours: DGCNNClassifier) -> list[nn.Parameter]:
    """Weights of all linear layers of ours, as the peer has them."""
    edges = [layer.edge_linear.weight for layer in ours.layers.convolutions]
    return [*edges, ours.embed.linear.weight, *(layer.weight for layer in [*ours.head.linears, ours.head.scores])]


def _convolution(axes: int, weight: Tensor) -> nn.Module:
    kind = nn.Conv2d if axes == 2 else nn.Conv1d
    layer = kind(weight.shape[1], weight.shape[0], 1, bias=False).to(weight.dtype)
    layer.weight = nn.Parameter(weight.detach().clone().view(*weight.shape, *[1] * axes))
    return layer


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None).to(weight.dtype)
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _norm(kind: type[nn.Module], ours: BatchNorm) -> nn.Module:
    norm = kind(len(ours.weight)).to(ours.weight.dtype)
    norm.weight, norm.bias = (nn.Parameter(x.detach().clone()) for x in (ours.weight, ours.bias))
    return norm
