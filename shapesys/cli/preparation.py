"""One preparation from the driver's side, on Ray or in this process, with a progress line."""

from __future__ import annotations

from shapesys.cli.progress import Progress
from shapesys.samples.prepare import PrepareReport, prepare_locally
from shapesys.samples.settings import PrepareConfig
from shapesys.sources.base import Source


def run_preparation(
    source: Source,
    store: str,
    settings: PrepareConfig,
    *,
    address: str | None = None,
    local: bool = False,
    retry: bool = False,
    workers: int | None = None,
) -> PrepareReport:
    """Bring `store` up to date with `source`.

    Args:
        address: Ray cluster; None for RAY_ADDRESS or a private instance.
        local: work in this process and one child, without Ray.
        workers: actors on Ray; one per CPU where None.
        retry: try again what was rejected for a limit or a crash.
    """
    with Progress("prepare", "shapes") as line:

        def progress(done: int, total: int, prepared: int, rejected: int) -> None:
            line(done, total, prepared=prepared, rejected=rejected)

        if local:
            return prepare_locally(source, store, settings, progress, retry=retry)
        from shapesys.on_ray.prepare import prepare

        return prepare(source, store, settings, progress, address=address, workers=workers, retry=retry)
