"""ResNet-18: the size and the parameter names that others' weights have."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shapesys.errors import ShapesysError
from shapesys.nets.resnet18 import ResNet18


def torchvision_names() -> list[str]:
    """Of the state of torchvision's resnet18, written down from its definition."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight", *(f"bn1.{name}" for name in norm)]
    for stage in range(1, 5):
        for block in range(2):
            at = f"layer{stage}.{block}"
            for part in (1, 2):
                names += [f"{at}.conv{part}.weight", *(f"{at}.bn{part}.{name}" for name in norm)]
            if stage > 1 and block == 0:
                names += [f"{at}.downsample.0.weight", *(f"{at}.downsample.1.{name}" for name in norm)]
    return [*names, "fc.weight", "fc.bias"]


def small() -> ResNet18:
    torch.manual_seed(0)
    return ResNet18(5, (8, 12, 16, 24)).eval()


def test_it_has_the_published_size_and_torchvisions_names() -> None:
    network = ResNet18(1000)
    assert sum(one.numel() for one in network.parameters()) == 11_689_512
    assert sum(one.numel() for one in ResNet18(1).parameters()) - 513 == 11_176_512
    theirs = [name for name in torchvision_names() if not name.endswith("_tracked")]
    assert [name.replace("running_variance", "running_var") for name in network.state_dict()] == theirs


def as_torchvision(network: ResNet18) -> dict[str, Tensor]:
    """The state as torchvision's network would have it."""
    state = {name.replace("running_variance", "running_var"): value for name, value in network.state_dict().items()}
    counters = {name: torch.tensor(7) for name in torchvision_names() if name.endswith("_tracked")}
    return state | counters


@pytest.mark.parametrize("size", [(224, 224), (137, 137), (64, 96)])
def test_images_of_any_size_become_features(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = small()(images)
        assert found.shape == (2, 5)
        torch.testing.assert_close(small()(images[1:]), found[1:])


def test_it_computes_what_its_blocks_say() -> None:
    network = small()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))

    def normed(norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x)

    with torch.no_grad():
        x = (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
            :, None, None
        ]
        x = nn.functional.conv2d(x, network.conv1.weight, stride=2, padding=3)
        x = nn.functional.max_pool2d(normed(network.bn1, x).clamp(min=0), 3, 2, 1)
        state = dict(network.named_modules())
        for stage in range(1, 5):
            for block in range(2):
                at = f"layer{stage}.{block}"
                stride = 2 if stage > 1 and block == 0 else 1
                y = nn.functional.conv2d(x, network.get_parameter(f"{at}.conv1.weight"), stride=stride, padding=1)
                y = normed(state[f"{at}.bn1"], y).clamp(min=0)
                y = normed(
                    state[f"{at}.bn2"], nn.functional.conv2d(y, network.get_parameter(f"{at}.conv2.weight"), padding=1)
                )
                if stride == 2:
                    x = nn.functional.conv2d(x, network.get_parameter(f"{at}.downsample.0.weight"), stride=2)
                    x = normed(state[f"{at}.downsample.1"], x)
                x = (x + y).clamp(min=0)
        torch.testing.assert_close(network(images), network.fc(x.mean(dim=(2, 3))), atol=1e-5, rtol=1e-4)


def test_weights_of_others_are_taken_but_for_the_last_layer() -> None:
    others, network = ResNet18(1000, (8, 12, 16, 24)), small()
    others(torch.rand(2, 3, 64, 64))  # Statistics of its own.
    last = network.fc.weight.clone()
    network.load_torchvision(as_torchvision(others))
    assert torch.equal(network.conv1.weight, others.conv1.weight)
    assert torch.equal(
        network.get_buffer("layer4.1.bn2.running_variance"), others.get_buffer("layer4.1.bn2.running_variance")
    )
    assert torch.equal(network.fc.weight, last)


def test_weights_of_another_network_are_refused() -> None:
    state = as_torchvision(small())
    lacking = {name: value for name, value in state.items() if name != "layer2.0.conv1.weight"}
    with pytest.raises(ShapesysError, match=r"unknown: layer2\.0\.conv1\.weight$"):
        small().load_torchvision(lacking)
    with pytest.raises(ShapesysError, match=r"8, 12, 16, 24 channels.*: conv1\.weight.* more$"):
        small().load_torchvision(as_torchvision(ResNet18(5)))
    with pytest.raises(ShapesysError, match="layer5"):
        small().load_torchvision({**state, "layer5.0.conv1.weight": torch.zeros(1)})
