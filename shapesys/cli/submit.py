"""`shapesys submit`: the same verb, on a cluster, as a job of Ray's Jobs API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shapesys.cli.output import Answer
from shapesys.cli.verb import verb
from shapesys.errors import UsageError

UPLOADS = ("code", "none")


@verb(
    example="shapesys submit train issn --store s3://bucket/store --run chairs --workdir /shared/me "
    "--address http://HEAD:8265\n"
    "shapesys submit evaluate chairs --workdir /shared/me --detach    # RAY_API_SERVER_ADDRESS names the cluster\n"
    "shapesys submit doctor --address http://HEAD:8265\n"
    "shapesys submit --list\n"
    "shapesys submit --follow train-issn-chairs-1a2b3c4d"
)
@click.argument("words", nargs=-1, metavar="VERB [ARGUMENT]...", type=click.UNPROCESSED)
@click.option("--address", help="Dashboard of the head. [default: RAY_API_SERVER_ADDRESS, else RAY_ADDRESS]")
@click.option("--workdir", help="Folder on the cluster, on storage of all nodes, that relative paths start from.")
@click.option("--upload", type=click.Choice(UPLOADS), default="code", show_default=True,
              help="What the job takes along: this machine's shapesys, or none where the cluster has it.")  # fmt: skip
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="A variable for the job; repeatable. Whoever may see the cluster's jobs may read it.",
)
@click.option("--python", default="python", show_default=True, help="Interpreter on the cluster.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the cluster's token. "
              "[default: RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token]")  # fmt: skip
@click.option("--detach", is_flag=True, help="Return once the job is submitted.")
@click.option("--dry-run", is_flag=True, help="Show what would be submitted; contacts nothing.")
@click.option("--follow", metavar="ID", help="Follow the log of a job to its end.")
@click.option("--cancel", metavar="ID", help="End a job.")
@click.option("--list", "list_jobs", is_flag=True, help="List the cluster's jobs.")
def command(words: tuple[str, ...], follow: str | None, cancel: str | None, list_jobs: bool, **options: Any) -> Answer:
    """Run VERB on a cluster, follow its log to the end, and exit with its exit code.

    The same command again, while the job runs, follows the running job. Ctrl-C detaches; the job goes on. Flags of
    this list belong to submit, wherever they stand; put '--' before words that are the verb's.
    """
    from shapesys.cli import job_answers
    from shapesys.cli.job_request import Request

    chosen = [name for name, given in (("VERB", words), ("--follow", follow), ("--cancel", cancel),
                                       ("--list", list_jobs)) if given]  # fmt: skip
    if len(chosen) != 1:
        found = f"not {' and '.join(chosen)} at once" if chosen else "and neither is given"
        raise UsageError(f"give a VERB to run, --follow ID, --cancel ID or --list, {found}")
    where = (options["address"], options["token_file"])
    if follow:
        return job_answers.follow(follow, *where)
    if cancel:
        return job_answers.cancel(cancel, *where)
    if list_jobs:
        return job_answers.listing(*where)
    request = Request.of(words, options, _own_flags())
    if options["dry_run"]:
        return job_answers.rehearsal(request, options["address"])
    return job_answers.run(request, *where, detach=options["detach"])


def _own_flags() -> list[str]:
    return [flag for param in command.params for flag in param.opts if flag.startswith("--")]


# What this verb does not know belongs to the one it submits.
command.context_settings = {**command.context_settings, "ignore_unknown_options": True}
