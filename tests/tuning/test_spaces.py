from __future__ import annotations

import re
from pathlib import Path

import pytest

from shapesys.errors import UsageError
from shapesys.families import registry
from shapesys.families.base import TrainingData
from shapesys.samples.vocabulary import Vocabulary
from shapesys.training.config import resolve
from shapesys.tuning.draws import random_points
from shapesys.tuning.space import Knob, check_space, grid
from shapesys.tuning.spaces import declared_knob, list_spaces, load_space, names
from shapesys.tuning.trial import refusal

VOCABULARY = Vocabulary(("chair", "table"), {"chair": ("leg", "seat"), "table": ("leg", "top")})

OWN = """
summary = "my own"
source = "a hunch"
strategy = "grid"

[fixed]
"train.epochs" = 7

[knobs]
"model.hidden" = { choices = [16, 32] }
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def refused(path: Path, text: str, family: str = "issn") -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_space(family, str(path))
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def test_a_file_of_ones_own(own: Path) -> None:
    space = load_space("issn", str(own))
    assert (space.name, space.family, space.summary, space.source) == ("mine", "issn", "my own", "a hunch")
    assert (space.strategy, space.fixed) == ("grid", {"train.epochs": 7})
    assert space.knobs == {"model.hidden": Knob(choices=(16, 32))}


def test_paths_may_be_quoted_or_spelt_as_tables(own: Path) -> None:
    plain = load_space("issn", str(own))
    own.write_text(OWN.replace('"train.epochs"', "train.epochs").replace('"model.hidden"', "model.hidden"))
    assert load_space("issn", str(own)) == plain
    own.write_text(OWN.split("[fixed]")[0] + "[fixed.train]\nepochs = 7\n[knobs.model.hidden]\nchoices = [16, 32]\n")
    assert load_space("issn", str(own)) == plain


def test_a_declared_range_is_that_of_the_setting(own: Path) -> None:
    own.write_text('[knobs]\n"train.learning_rate" = "declared"\n"model.hidden" = "declared"\n')
    knobs = load_space("issn", str(own)).knobs
    assert knobs["train.learning_rate"] == Knob(low=1e-5, high=1e-2, log=True)
    assert knobs["model.hidden"] == Knob(choices=(128, 256, 512))


def test_a_setting_without_a_range_names_those_that_have_one() -> None:
    with pytest.raises(UsageError, match=r"'model.layers' declares no range; .*declared: .*train.learning_rate"):
        declared_knob("issn", "model.layers")
    with pytest.raises(UsageError, match=r"did you mean train.learning_rate"):
        declared_knob("issn", "train.learning_rat")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[knobs\n", "is not TOML: .*line 1"),
        ('summary = "a"\n[knobs]\n"model.hidden" = {choices = [1,\n', "is not TOML: .*end of document"),
        ("knob = 1\n", "unknown key 'knob'; did you mean knobs"),
        ('summary = "no knobs"\n', r"\[knobs\] must be a table"),
        ("[knobs]\n", "at least one knob"),
        ('fixed = 3\n[knobs]\n"model.hidden" = "declared"\n', r"\[fixed\] must be a table"),
        ('[knobs]\n"model.hidden" = { choises = [16] }\n', "key of knob 'model.hidden' 'choises'; did you mean"),
        ('[knobs]\n"model.hidden" = [16, 32]\n', r"knob 'model.hidden' is \[16, 32\]; give a table"),
        ('[knobs]\n"model.hidden" = "declare"\n', 'or the word "declared"'),
        ('[knobs]\nmodel.hiden = { choices = [16] }\n', "did you mean model.hidden"),
        ('[knobs]\nmodel = { choices = [16] }\n', "unknown setting of issn 'model.choices'"),
        ('[knobs]\n"model.hidden" = { low = 9, high = 3 }\n', "low = 9 is not below high = 3"),
        ('[knobs]\n"model.hidden" = { low = 1, high = 64 }\n', "low 1 is not allowed: .* at least 8"),
        ('strategy = "bayes"\n[knobs]\n"model.hidden" = "declared"\n', "strategy.*'grid', 'random' or 'optuna'"),
        ('family = "sald"\n[knobs]\n"model.hidden" = "declared"\n', "this space is for family 'sald', not 'issn'"),
        ('[knobs]\n"model.hidden" = { choices = [1979-05-27] }\n', "knobs.model.hidden"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    assert re.search(words, refused(path, text))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not TOML"):
        load_space("issn", str(path))


def test_spaces_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean lambda\?; a file of your own ends in .toml"):
        load_space("issn", "lamda")
    with pytest.raises(UsageError, match=r"there is no search space file .*none.toml"):
        load_space("issn", str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="unknown family 'isn'; did you mean issn"):
        load_space("isn")
    with pytest.raises(UsageError, match="unknown search space"):
        load_space("issn", "../issn/lambda")


def test_every_family_has_a_default_space() -> None:
    spaces = list_spaces()
    assert [(space.family, space.name) for space in spaces] == sorted((space.family, space.name) for space in spaces)
    for family in registry.names():
        assert "default" in names(family)
    for space in spaces:
        check_space(space)
        assert space.summary
        assert space.source


@pytest.mark.parametrize("space", list_spaces(), ids=lambda space: f"{space.family}-{space.name}")
@pytest.mark.parametrize("preset", ["tiny", "paper"])
def test_every_point_of_a_packaged_space_can_be_built(space: object, preset: str) -> None:
    family = registry.load(space.family)  # type: ignore[attr-defined]
    shallow = {"model.layers": 3, "model.skip_at": 2} if "skip_at" in family.config.model_fields else {}
    job = resolve(family.name, preset, {"data.store": "none"} | shallow)
    draws = random_points(space, seed=1)  # type: ignore[arg-type]
    fitting = [point for _, point in zip(range(9), draws, strict=False) if not refusal(job, point)]
    assert fitting
    for point in fitting:
        family.build(job.override(dict(point)).model, TrainingData(2, VOCABULARY))


def test_the_lambda_space_is_that_of_the_appendix() -> None:
    space = load_space("issn", "lambda")
    assert [point["model.saliency_weight"] for point in grid(space)] == [1e-2, 1e-3, 1e-4]
    assert "appendix A.1" in space.source
    assert space.strategy == "grid"


def test_the_grid_of_lambda_and_gamma_leaves_out_what_the_appendix_found_to_fail() -> None:
    space = load_space("issn_csl", "lambda_gamma")
    base = resolve("issn_csl", "tiny", {"data.store": "unused"})
    fitting = [point for point in grid(space) if not refusal(base, point)]
    kept = {(point["model.saliency_weight"], point["model.contrast_weight"]) for point in fitting}
    assert kept == {
        (0.0, 1.0),
        *((1e-4, gamma) for gamma in (1e-3, 1e-2)),
        *((1e-3, gamma) for gamma in (1e-3, 1e-2, 1e-1)),
        *((1e-2, gamma) for gamma in (1e-3, 1e-2, 1e-1, 1.0)),
    }
