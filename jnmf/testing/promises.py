"""A checker is a table of promises; the first that is broken is reported, with the input that breaks it.

A promise is a function of what is checked. It returns None where it is kept, else what was found, in words. The first
paragraph of its docstring is the promise, the second what to do where it is broken.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np


class Broken(AssertionError):
    """A promise that is not kept: which one, what was found, the input, and what to do."""

    def __init__(self, promise, subject, found: str, given: str = ""):
        kept, to_do = paragraphs(promise)
        told = (f"{subject}: {kept}", f"found: {found}", given and f"input: {given}", f"what to do: {to_do}")
        super().__init__("\n".join(filter(None, told)))


def paragraphs(promise) -> list[str]:
    """The promise and what to do, each in one line."""
    return [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(promise) or "").split("\n\n")]


def lists(table):
    """For a checker: its docstring ends with the promises of its table."""

    def with_list(checker):
        promises = [paragraphs(promise)[0] for promise in table]
        checker.__doc__ = "\n- ".join([f"{inspect.getdoc(checker)}\n", *promises])
        return checker

    return with_list


def hold(promises, subject, *arguments, given: str = "") -> None:
    """Each promise of `arguments`, in order."""
    for promise in promises:
        found = promise(*arguments)
        if found:
            raise Broken(promise, subject, found, given)


def hold_for_all(draw: Callable[[], Any], holds: Callable[[Any], None], num_examples: int) -> None:
    """`holds(input)` for inputs of the strategy `draw()`, the same ones each time."""
    try:
        import hypothesis
    except ModuleNotFoundError:
        raise ImportError("jnmf.testing draws its inputs with hypothesis: pip install hypothesis") from None

    @hypothesis.settings(
        max_examples=num_examples,
        phases=[hypothesis.Phase.generate],  # to look for a simpler input takes as long as a hundred checks
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[*hypothesis.HealthCheck],  # pyright: ignore[reportArgumentType]
    )
    @hypothesis.given(draw())
    def drawn(problem):
        holds(problem)

    try:
        drawn()
    except Broken as broken:
        broken.__notes__ = []  # the input once more
        raise broken from None


def written(**arrays) -> str:
    """Arrays as one would write them."""
    return ", ".join(f"{name} = np.{np.asarray(A)!r}" for name, A in arrays.items() if A is not None)


def raised(error) -> str:
    """What was raised, in a line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def far_apart(found, wanted, rtol, atol=0.0) -> str | None:
    """None where the arrays are close, an inf or NaN beside the same; else where they are the farthest apart."""
    found, wanted = (np.asarray(A, float) for A in (found, wanted))
    if found.shape != wanted.shape:
        return f"the shape {found.shape} in place of {wanted.shape}"
    close = np.isclose(found, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return None
    with np.errstate(invalid="ignore"):
        distance = np.where(close, -1, np.nan_to_num(np.abs(found - wanted), nan=np.inf))
    at = np.unravel_index(np.argmax(distance), found.shape)
    return f"{found[at]:.17g} in place of {wanted[at]:.17g}" + (f" at {tuple(map(int, at))}" if at else "")
