"""Long work in pieces: between two of them the host looks around, shows, asks, keeps time, and answers Ctrl-C."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax

from jnmf.results import Status

PAUSE = 0.5  # seconds between two looks


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came while jnmf was computing; nothing is lost.

    fit: the `Fit` so far, with status STOPPED, which `fit(X, resume=…)` continues; None if a study was interrupted.
    study: the `Sweep` or `CrossValidation` of the members that were finished; None if a fit was
        interrupted, or if none were finished.
    """

    def __init__(self, message: str, *, fit: Any = None, study: Any = None):
        super().__init__(message)
        self.fit, self.study = fit, study


class Presses(list):
    """How often Ctrl-C was pressed, and its handler: the first is noted, the next interrupts at once."""

    def __call__(self, number, frame):
        if self:
            signal.default_int_handler(number, frame)
        self.append(number)


class Pieces(NamedTuple):
    """How to cut: until when (`time.monotonic`), and how many seconds an iteration may take that was not timed yet."""

    deadline: float
    at_most: float
    done: int = 0  # iterations made before


def in_pieces(advance: Callable, p, last: int, look: Callable[[Any], Any], pieces: Pieces, pressed: Presses):
    """p = advance(p, end) for ever later ends.

    Until p has stopped or made `last` iterations, `look(p)` is true, the clock is past the deadline, or Ctrl-C was
    pressed. A piece is as long as by the one before it takes `PAUSE` seconds, the first by what it may take at most; at
    least one iteration. Among several processes there is a single piece: their clocks would not cut the same ones.
    """
    done, deadline = pieces.done, pieces.deadline

    def iterations_in_a_pause(seconds: float) -> int:
        return max(1, int(max(min(PAUSE, deadline - time.monotonic()), 0) / max(seconds, 1e-9)))

    length = iterations_in_a_pause(pieces.at_most) if jax.process_count() == 1 else last
    while True:
        begun = time.monotonic()
        p = advance(p, min(done + length, last))
        now, status = (int(a) for a in jax.device_get((p.num_iters, p.status)))  # waits for the piece
        ended = time.monotonic()
        if status != Status.MAX_ITERS or now >= last or pressed or ended >= deadline:
            return p
        try:
            if look(p):
                return p
        except KeyboardInterrupt:  # pressed again, or in a fit of its own, or by another handler: p is whole
            pressed.append(signal.SIGINT)
            return p
        length, done = iterations_in_a_pause((ended - begun) / max(now - done, 1)), now


@contextmanager
def noted_interrupts() -> Iterator[Presses]:
    """Ctrl-C is noted: an exception between a call that is given the memory of a state and the assignment of the next
    state would lose both. A fit within the callback of another shares its notes, and ends with it.

    A handler that is neither Python's own nor this one stays, and outside of the main thread no signal arrives.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if in_main_thread else None
    if before is not signal.default_int_handler:
        yield before if isinstance(before, Presses) else Presses()
        return
    pressed = Presses()
    signal.signal(signal.SIGINT, pressed)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
