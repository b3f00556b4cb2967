"""Where machine code that was compiled here is kept, when its package's usual folder cannot be written.

Packages run, or unpickle, what they find in their cache: a folder in the temporary one, where everybody may write, is
used only where it is this user's alone.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path


def is_writable(folder: Path) -> bool:
    """Whether a folder can be written, or made."""
    return os.access(next(one for one in (folder, *folder.parents) if one.exists()), os.W_OK)


def own_folder(package: str) -> Path:
    """A folder that nobody else can write, for what a package compiles; the same one in the next process, unless
    somebody else has put another in its place."""
    usual = Path(tempfile.gettempdir()) / f"{package}-kernels-{os.getuid()}"
    with suppress(FileExistsError):
        usual.mkdir(mode=0o700)
    found = usual.lstat()
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not others_write:
        return usual
    return Path(tempfile.mkdtemp(prefix=f"{package}-kernels-"))
