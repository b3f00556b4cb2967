"""ResNet-18 (He et al., CVPR 2016) as an encoder of images, with the parameter names of torchvision's.

So weights that others trained can be taken: a `state_dict` of torchvision's ``resnet18``, its ``fc`` left out. Batch
norms have the statistics of all workers, as everywhere here, and a running variance by its full name. This is the
backbone of Occupancy Networks and of TDGN for single images, both with a linear layer onto 256 features.

Legend: B images, H x W pixels, C features.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shapesys.errors import ShapesysError
from shapesys.nets.batch_norm import BatchNorm

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue from 0 to 1 in ImageNet."""
WIDTHS = (64, 128, 256, 512)


class ResNet18(nn.Module):
    """11,176,512 parameters without its last layer, which is that of torchvision's but for the number of features.

    Args:
        features: C.
        widths: channels of the four stages; fewer make a smaller network of the same kind.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: int, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = BatchNorm(widths[0], axis=1)
        self.layer1 = _stage(widths[0], widths[0], 1)
        self.layer2 = _stage(widths[0], widths[1], 2)
        self.layer3 = _stage(widths[1], widths[2], 2)
        self.layer4 = _stage(widths[2], widths[3], 2)
        self.fc = nn.Linear(widths[3], features)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) red, green and blue from 0 to 1 -> (B, C)."""
        x = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        features: Tensor = self.fc(x.mean(dim=(2, 3)))
        return features

    def load_torchvision(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of torchvision's ``resnet18``, but for its last layer.

        Raises:
            ShapesysError: what is missing, or does not belong there.
        """
        named = {name.replace("running_var", "running_variance"): value for name, value in weights.items()}
        kept = {
            name: value for name, value in named.items() if not name.startswith("fc.") and not name.endswith("_tracked")
        }
        own = {name: value for name, value in self.state_dict().items() if not name.startswith("fc.")}
        wrong = [name for name in own if name not in kept or kept[name].shape != own[name].shape]
        wrong += [name for name in kept if name not in own]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise ShapesysError(
                f"these are no weights of torchvision's resnet18 with stages of {', '.join(map(str, self.widths))} "
                f"channels; missing, of another shape or unknown: {', '.join(wrong[:3])}{more}"
            )
        self.load_state_dict(kept, strict=False)


class _Block(nn.Module):
    """Two convolutions, added to what went in."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = BatchNorm(outputs, axis=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = BatchNorm(outputs, axis=1)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), BatchNorm(outputs, axis=1)
            )

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        through = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(through + around)


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Block(inputs, outputs, stride), _Block(outputs, outputs, 1))
