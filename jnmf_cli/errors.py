"""What the command tells its user, each in one line."""

import sys


class Refused(Exception):
    """Input that cannot be used: what was expected, what came, what to do. The command ends with exit code 1."""


def one_line(text: str) -> str:
    """The text without line breaks and control characters, which names out of a file may have."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def note(text: str) -> None:
    print(f"jnmf: {one_line(text)}", file=sys.stderr, flush=True)


def of_file(path, error: OSError) -> Refused:
    """Why a file or folder could not be read or written, as the system tells it."""
    return Refused(f"{path}: {(error.strerror or str(error)).lower()}")
