"""How far long work is: a bar in a terminal or a notebook, elsewhere a line of text now and then."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 5.0  # seconds between two lines of text


@contextmanager
def progress(shown: bool, total: int, of: str, done: int = 0) -> Iterator[Callable[..., None]]:
    """A function (done, said) that shows how many of `total` are done, what is said of it, and the time to the end.

    done: how many were before. With rich (`pip install rich`) a bar, where standard error is a terminal or a notebook.
    """
    bar = _bar() if shown else None
    if not shown:
        yield lambda done, said="": None
    elif bar is None:
        lines = _Lines(total, of, done)
        yield lines.show
        lines.end()
    else:
        with bar:
            task = bar.add_task(of, total=total, completed=done, said="")
            yield lambda done, said="": bar.update(task, completed=done, said=said, refresh=True)


def _bar():
    """A progress bar of rich, or None where it could not be shown."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        return None
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}{task.fields[said]}")
    left = TextColumn("at most"), TimeRemainingColumn(compact=True), TextColumn("left")
    return Progress(*columns, *left, console=console)


class _Lines:
    """The first time, then once in `EVERY` seconds, and the end."""

    def __init__(self, total: int, of: str, before: int):
        self.total, self.of, self.before = total, of, before
        self.begun, self.written, self.line = time.monotonic(), -math.inf, ""

    def show(self, done: int, said: str = "") -> None:
        now = time.monotonic()
        self.line = f"{done}/{self.total} {self.of}{said}"
        if now - self.written >= EVERY:
            left = (now - self.begun) / max(done - self.before, 1) * (self.total - done)
            print(f"{self.line}, at most {left:.0f} s left", file=sys.stderr, flush=True)
            self.written = now

    def end(self) -> None:
        if self.line:
            print(self.line, file=sys.stderr, flush=True)
