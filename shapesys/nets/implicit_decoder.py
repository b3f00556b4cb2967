"""The implicit decoder: (latent code, query point) -> signed distance and further heads.

The trunk is DeepSDF's (Park et al., CVPR 2019; `networks/deep_sdf_decoder.py` and `specs.json` as released), which ISSN
(Jiang et al., 2020, section 3.1) extends by a saliency head. The code is never tiled over the points: its share of the
first layer and of the skip layer is computed once per shape and added to every point of the shape.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.nets.activations import ACTIVATIONS, Activation, activate
from shapesys.nets.dropout import Noise, kept_lanes, quantised, relu_dropout_, shape_noise
from shapesys.nets.folded_decoder import FoldedDecoder
from shapesys.nets.read_out import READ_OUTS, ReadOut, read_out

POINT_DIM = 3


class WeightNormLinear(nn.Module):
    """Linear layer whose weight is gain * direction / |direction| per output row, or plain without weight norm."""

    def __init__(self, inputs: int, outputs: int, weight_norm: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        bound = 1.0 / math.sqrt(inputs)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        self.gain: nn.Parameter | None = None
        if weight_norm:
            self.gain = nn.Parameter(self.weight.detach().norm(dim=1, keepdim=True))

    @torch.no_grad()
    def renew_gain(self) -> None:
        """After its weight was set: multiply by exactly that."""
        if self.gain is not None:
            self.gain.copy_(self.weight.norm(dim=1, keepdim=True))

    def effective_weight(self) -> Tensor:
        """(outputs, inputs) the matrix that multiplies the input."""
        if self.gain is None:
            return self.weight
        return self.weight * (self.gain / self.weight.norm(dim=1, keepdim=True))


class ImplicitDecoder(nn.Module):
    """DeepSDF trunk with `outputs` heads; 1,843,195 parameters for one output and a 256-dimensional code.

    With sines, without skip and weight norm, it is SIREN's network: 264,449 parameters for 5 layers of 256 and no code.

    Legend: B shapes, N points per shape, D latent dimensions.

    Layers 0 to layers-1 are followed by the activation and dropout, and carry weight norm; the last one is linear.
    Before layer `skip_at` the input [z, xyz] is concatenated again, so the layer before it is narrower by D + 3.

    Args:
        latent_dim: D; 0 for a network that is one shape.
        hidden: width of the trunk.
        layers: number of hidden layers.
        skip_at: index of the layer that sees the input again, or None.
        outputs: heads; the first is the signed distance, the second (if any) the saliency logit.
        dropout: chance to drop a hidden unit while training, in [0, 1); realised in 1/65536 steps.
        weight_norm: on all hidden layers, or on none.
        weight_norm_head: on the last layer as well (SALD's released code).
        read_out: what becomes of the first output: `tanh` (DeepSDF), `plain`, or another of `ReadOut`.
        activation: `relu`, `softplus100` (softplus with beta 100, as SALD uses) or `sine30` (sin(30 h), SIREN).
        skip_scale: factor on the concatenated input of the skip layer: 1 (DeepSDF) or 1/sqrt(2) (SAL, IGR).

    Raises:
        ValueError: an argument outside its range.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        hidden: int = 512,
        layers: int = 8,
        skip_at: int | None = 4,
        outputs: int = 2,
        dropout: float = 0.2,
        weight_norm: bool = True,
        weight_norm_head: bool = False,
        read_out: ReadOut = "tanh",
        activation: Activation = "relu",
        skip_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.hidden, self.outputs = latent_dim, hidden, outputs
        self.skip_at, self.skip_scale = skip_at, skip_scale
        self.dropout, self.activation = dropout, activation
        self.read_out: ReadOut = read_out
        check_shape(latent_dim, hidden, layers, skip_at, outputs, dropout, activation)
        if read_out not in READ_OUTS:
            raise ValueError(f"read_out must be one of {', '.join(READ_OUTS)}; got '{read_out}'")
        widths_in, widths_out = layer_widths(latent_dim, hidden, layers, skip_at)
        self.layers = nn.ModuleList(
            WeightNormLinear(i, o, weight_norm) for i, o in zip(widths_in, widths_out, strict=True)
        )
        self.head = WeightNormLinear(hidden, outputs, weight_norm_head)

    def forward(self, codes: Tensor, points: Tensor, noise_seeds: Tensor | None = None) -> Tensor:
        """Values of every head at every point.

        Args:
            codes: (B, D) one latent code per shape.
            points: (B, N, 3) query points of each shape.
            noise_seeds: (B,) int64 seeds of each shape's dropout masks, which then do not depend on how shapes are
                shared among workers; the default generator's masks without.

        Returns:
            (B, N, outputs) in the parameters' precision (float32 under autocast too).
        """
        self.check_inputs(codes, points)
        with self.precise(points.device):
            return self._forward(codes, points, noise_seeds)

    def precise(self, device: torch.device) -> AbstractContextManager[object]:
        """Full precision also under autocast where the activation needs it: bfloat16 knows sin(30 h) to a tenth."""
        return torch.autocast(device.type, enabled=False) if self.activation == "sine30" else nullcontext()

    def _forward(self, codes: Tensor, points: Tensor, noise_seeds: Tensor | None) -> Tensor:
        gain = self._dropout_gain()
        dropping = self.training and self.dropout > 0
        noise = shape_noise(noise_seeds, points.device) if dropping else ()
        hidden = self._input_share(0, codes, points)
        for index in range(1, len(self.layers)):
            hidden = self._activate(hidden, noise)
            layer = self.layer(index)
            if index == self.skip_at:
                weight = layer.effective_weight()[:, : hidden.shape[1]] * (gain * self.skip_scale)
                hidden = torch.addmm(self._input_share(index, codes, points), hidden, weight.t())
            else:
                hidden = F.linear(hidden, layer.effective_weight() * gain, layer.bias)
        return self._read_out(self._activate(hidden, noise), gain).view(*points.shape[:2], self.outputs)

    def for_shapes(self, codes: Tensor) -> FoldedDecoder:
        """The decoder for inference on these shapes: weight norm and codes (B, D) folded in, no autograd."""
        return FoldedDecoder.of(self, codes)

    def layer(self, index: int) -> WeightNormLinear:
        """A hidden layer by its number, from 0."""
        layer = self.layers[index]
        assert isinstance(layer, WeightNormLinear)
        return layer

    def input_columns(self, index: int) -> tuple[Tensor, Tensor]:
        """The columns of layer 0 or of the skip layer that multiply the code (out, D) and the point (out, 3)."""
        return self.split_columns(self.multiplier(index))

    def multiplier(self, index: int) -> Tensor:
        """(out, in) what multiplies a hidden layer's input, the skip's scale included."""
        weight = self.layer(index).effective_weight()
        return weight * self.skip_scale if index == self.skip_at else weight

    def split_columns(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The columns of such a layer's weight (out, in) on the code (out, D) and on the point (out, 3)."""
        return weight[:, weight.shape[1] - POINT_DIM - self.latent_dim : -POINT_DIM], weight[:, -POINT_DIM:]

    def _input_share(self, index: int, codes: Tensor, points: Tensor) -> Tensor:
        return self.input_share(index, *self.input_columns(index), codes, points)

    def input_share(self, index: int, of_code: Tensor, of_point: Tensor, codes: Tensor, points: Tensor) -> Tensor:
        """(B*N, out) what code, point and bias add to a layer; in full precision, since coordinates need their digits.

        The batched product is used because a plain one with three columns is 20 times slower on CPU.

        Args:
            of_code, of_point: the layer's columns, see `input_columns`.
        """
        with torch.autocast(points.device.type, enabled=False):
            per_shape = F.linear(codes.to(of_code.dtype), of_code, self.layer(index).bias)
            columns = of_point.t().expand(len(points), -1, -1)
            return torch.baddbmm(per_shape.unsqueeze(1), points.to(of_point.dtype), columns).flatten(0, 1)

    def _activate(self, pre: Tensor, noise: Noise) -> Tensor:
        """Activation and dropout, its rescaling left to the next layer's weights."""
        probability = self.dropout if self.training else 0.0
        if self.activation == "relu":
            return relu_dropout_(_working_copy(pre), probability, noise)
        smooth = activate(pre, self.activation)
        return smooth * kept_lanes(pre.shape, probability, pre.device, noise) if probability else smooth

    def _dropout_gain(self) -> float:
        return 1.0 / (1.0 - quantised(self.dropout)) if self.training else 1.0

    def _read_out(self, hidden: Tensor, gain: float) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            raw = F.linear(hidden.to(self.head.weight.dtype), self.head.effective_weight() * gain, self.head.bias)
        if self.read_out == "plain":
            return raw
        return torch.cat([read_out(raw[:, :1], self.read_out), raw[:, 1:]], dim=1)

    def check_inputs(self, codes: Tensor, points: Tensor) -> None:
        """Refuse inputs of other shapes than codes (B, D) and points (B, N, 3).

        Raises:
            ValueError: says what they are.
        """
        if points.ndim != 3 or points.shape[2] != POINT_DIM or codes.shape != (points.shape[0], self.latent_dim):
            raise ValueError(
                f"the decoder takes codes (B, {self.latent_dim}) and points (B, N, 3); "
                f"got codes {tuple(codes.shape)} and points {tuple(points.shape)}"
            )


def layer_widths(latent_dim: int, hidden: int, layers: int, skip_at: int | None) -> tuple[list[int], list[int]]:
    """Input and output width of every hidden layer."""
    inputs = [latent_dim + POINT_DIM] + [hidden] * (layers - 1)
    outputs = [hidden] * layers
    if skip_at is not None:
        outputs[skip_at - 1] = hidden - latent_dim - POINT_DIM
    return inputs, outputs


def _working_copy(pre: Tensor) -> Tensor:
    """The pre-activation in the precision of the coming product, safe to overwrite."""
    device = pre.device.type
    if torch.is_autocast_enabled(device) and pre.dtype == torch.float32:
        return pre.to(torch.get_autocast_dtype(device))
    return pre


def check_shape(
    latent_dim: int, hidden: int, layers: int, skip_at: int | None, outputs: int, dropout: float, activation: str
) -> None:
    """Refuse what no decoder can be built with.

    Raises:
        ValueError: says which arguments of `ImplicitDecoder` do not fit, and what would.
    """
    if skip_at is not None and not 1 <= skip_at < layers:
        raise ValueError(f"skip_at must be None or in 1..{layers - 1} for {layers} layers; got {skip_at}")
    if skip_at is not None and hidden <= latent_dim + POINT_DIM:
        raise ValueError(
            f"hidden ({hidden}) must exceed latent_dim + 3 ({latent_dim + POINT_DIM}), because the layer before the "
            "skip has hidden - latent_dim - 3 outputs; widen the trunk, shorten the code, or set skip_at=None"
        )
    if latent_dim < 0 or min(hidden, layers, outputs) < 1:
        raise ValueError("hidden, layers and outputs must be at least 1, latent_dim at least 0")
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must be in [0, 1); got {dropout}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got '{activation}'")
