"""Which version of the book this is: what git says of it, asked nowhere else.

In a folder that is no repository of its own (it may lie inside another one) there is only the date of the build.
"""

import datetime
import subprocess
from pathlib import Path


def git(folder: Path, *command: str) -> str | None:
    """What git says of the book in a folder; None where there is no git, or the folder is no repository of its own."""

    def ask(*command: str) -> str:
        how = dict(cwd=folder, capture_output=True, encoding="utf-8", errors="surrogateescape", check=True)
        return subprocess.run(["git", *command], **how).stdout.strip()

    try:
        return None if ask("rev-parse", "--show-prefix") else ask(*command)  # where in a repository the folder lies
    except (OSError, subprocess.CalledProcessError):
        return None


def build(folder: Path) -> tuple[str | None, datetime.date]:
    """The version of the book in a folder, None where git knows none, and its date.

    It is git's name for the commit, with its date, so that one commit makes the same pages on any day.
    """
    version = git(folder, "describe", "--always", "--dirty")
    if not version:
        return None, datetime.datetime.now(datetime.UTC).date()
    return version, datetime.date.fromisoformat(git(folder, "log", "-1", "--format=%cs"))
