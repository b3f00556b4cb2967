"""What every offline page shares: templates, assets, data that cannot break out of its element, whole files."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from shapesys.errors import ShapesysError, missing_extra
from shapesys.report.numbers import MISSING, known, number


def template(name: str, purpose: str) -> Any:
    """A template of this package, which escapes what it is given.

    Raises:
        ShapesysError: jinja2 is missing, which `purpose` needs.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise missing_extra("jinja2", "report", purpose) from None
    environment = Environment(
        loader=PackageLoader("shapesys.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "shown": _shown}
    return environment.get_template(name)


def asset(name: str) -> str:
    """A style sheet or script of this package, as text."""
    return resources.files("shapesys.report").joinpath("assets", name).read_text(encoding="utf-8")


def script_json(data: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever names shapes have."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def write_page(text: str, out: Path) -> Path:
    """Write a page whole, and return its place.

    Raises:
        ShapesysError: it cannot be written there.
    """
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ShapesysError(
            f"cannot write {out}: {error.strerror or error}; name another place with --out of 'shapesys report' or "
            "'shapesys compare'"
        ) from error
    return out


def _shown(value: Any) -> str:
    """A setting or fact as text."""
    if value is None or value == "" or value == []:
        return MISSING
    if known(value):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)
