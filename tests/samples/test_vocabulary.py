from __future__ import annotations

import pytest

from shapesys.errors import ShapesysError
from shapesys.samples.vocabulary import Vocabulary

WORDS = Vocabulary(("bag", "chair", "mug"), {"bag": ("handle", "body"), "mug": ("handle", "cup", "rim")})


def test_parts_are_numbered_through_all_categories() -> None:
    assert [WORDS.part_range(category) for category in WORDS.categories] == [(0, 2), (2, 2), (2, 5)]
    assert WORDS.part_count == 5
    assert WORDS.class_of("mug") == 2


def test_it_survives_json() -> None:
    assert Vocabulary.from_json(WORDS.to_json()) == Vocabulary(WORDS.categories, dict(WORDS.parts))


def test_an_unknown_category_is_named_with_the_known_ones() -> None:
    with pytest.raises(ShapesysError, match="category 'sofa' is unknown here; known: bag, chair, mug"):
        WORDS.class_of("sofa")
