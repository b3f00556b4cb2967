"""What is made once and kept while there is room."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shapesys.families.convonet.kept import SHARE, Kept

CPU = torch.device("cpu")


def eight_bytes(key: int) -> Tensor:
    return torch.full((2,), float(key))


def test_the_first_are_kept_and_the_rest_made_anew() -> None:
    kept = Kept[int, Tensor](CPU, limit=24.0)
    for _ in range(3):
        for key in range(5):
            assert torch.equal(kept.of(key, eight_bytes), eight_bytes(key))
    assert kept.made == 3 + 3 * 2


def test_the_room_is_a_share_of_what_is_free_when_the_first_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept[int, Tensor](CPU, share=0.5)
    monkeypatch.setattr("shapesys.families.convonet.kept.available_bytes", lambda: 1000.0)
    kept.of(0, eight_bytes)
    monkeypatch.setattr("shapesys.families.convonet.kept.available_bytes", lambda: 0.0)
    kept.of(1, eight_bytes)
    assert kept.limit == 0.5 * SHARE * 1000.0


def test_a_part_of_a_tensor_counts_as_what_it_holds_in_memory() -> None:
    kept = Kept[int, tuple[Tensor, tuple[Tensor, None]]](CPU, limit=100.0)
    for key in (0, 0):
        kept.of(key, lambda key: (torch.zeros(50)[:1], (torch.zeros(1), None)))
    assert kept.made == 2, "one of 200 bytes was kept in 100"
