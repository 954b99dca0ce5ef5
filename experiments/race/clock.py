"""Seconds: of runs in turns, of an iteration, and how many iterations they are to be."""

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

PAUSE = 0.05  # seconds before a run: threads of the one before may still spin for work
LIMIT = 30.0  # seconds: longer runs are left out, and the table says so; the reference is never left out


def elapsed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def in_turns(runs: dict[Any, Callable[[], Any]], repeats: int, look: Callable[[Any], Any] = lambda result: None):
    """Seconds of each run, one a repeat, and what `look` sees in its result. Every second turn goes backwards."""
    seconds: dict[Any, list[float]] = {key: [] for key in runs}
    seen: dict[Any, Any] = {}
    for turn in range(repeats):
        for key in list(runs) if turn % 2 == 0 else reversed(runs):
            time.sleep(PAUSE)
            gc.disable()
            begin = time.perf_counter()
            result = runs[key]()
            seconds[key].append(time.perf_counter() - begin)
            gc.enable()
            if turn == 0:
                seen[key] = look(result)
            del result
    return seconds, seen


def median(values: list[float]) -> float:
    return float(np.median(values))


def checkpoints(num_iters: int) -> list[int]:
    """num_iters, a half of it, a quarter, …, down to about a thirtieth."""
    return sorted({max(1, num_iters >> k) for k in range(6)})


def affordable(call: Callable[[int], Any], counts: list[int]) -> list[int]:
    """The counts that can be expected to stay within LIMIT, and always the least."""
    each = elapsed(partial(call, 1))
    return [count for count in counts if count == counts[0] or count * each <= LIMIT]


def per_iteration(counts: list[int], seconds: list[float]) -> float:
    """From the longest and the shortest run, so that what each run does once is not in it.

    Where there is one run, or noise makes the longest the faster, it is in it.
    """
    if seconds[-1] <= seconds[0]:
        return seconds[-1] / counts[-1]
    return (seconds[-1] - seconds[0]) / (counts[-1] - counts[0])


def fewest_iterations(loss_after: Callable[[int], float], target: float, known: dict[int, float]) -> int | None:
    """The least number of iterations with a loss of at most `target`, between two of the known ones; None beyond."""
    reached = [count for count, loss in known.items() if loss <= target]
    if not reached:
        return None
    most = min(reached)
    least = max((count for count in known if count < most), default=0)
    while most - least > 1:
        middle = (least + most) // 2
        if loss_after(middle) <= target:
            most = middle
        else:
            least = middle
    return most
