"""What arguments must be, and messages that say what was expected, what came and what to do.

Values are checked on the host only: inside `jit` and `vmap` an array is a tracer without values, nothing can be raised
there, and `Fit.status` tells instead.
"""

import dataclasses
import numbers
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def is_traced(*trees) -> bool:
    return any(isinstance(leaf, Tracer) for tree in trees for leaf in jax.tree.leaves(tree))


def on_host(value):
    """`value()` as a Python number, also while something else is being traced."""
    with jax.ensure_compile_time_eval():
        return value().item()


def rank(value) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"rank: expected an integer of at least 1, got {value!r}")
    return int(value)


def ranks(values) -> list[int]:
    """Different ranks ≥ 1, in the order given."""
    found = [rank(value) for value in values]
    if not found:
        raise ValueError("ranks: expected at least one, got none; pass for example range(1, 11)")
    if len(set(found)) < len(found):
        raise ValueError(f"ranks: expected different integers, got {found}; restarts are what repeats a rank")
    return found


def number(value, name: str) -> None:
    """A finite number ≥ 0, or a traced one."""
    if is_traced(value):
        return
    if isinstance(value, bool | str) or np.ndim(value) != 0 or not (np.asarray(value) >= 0 and np.isfinite(value)):
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value!r}")


def count(value, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")


def choice(value, name: str, known) -> None:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, known))}, got {value!r}")


def algorithm(value) -> None:
    """The hyperparameters of an algorithm; the structure was checked when it was made."""
    if isinstance(value, type) or not hasattr(value, "step"):
        raise TypeError(f"algorithm: expected an instance such as HALS(), got {value!r}")
    if hasattr(value, "algorithm"):  # a combinator: its own numbers, and those of what it wraps
        for field in dataclasses.fields(value):
            if field.name != "algorithm":
                number(getattr(value, field.name), field.name)
        algorithm(value.algorithm)
        return
    for name in ("l1_W", "l1_H", "l2_W", "l2_H"):
        number(getattr(value, name), name)
    step_size = getattr(value, "step_size", None)
    if isinstance(step_size, numbers.Real):
        number(step_size, "step_size")


def warn_of_unsolved(Z, name: str, part: str):
    """Tell how many of the columns of Z are NaN, where Z has values."""
    if not is_traced(Z):
        unsolved = on_host(lambda: jnp.sum(jnp.any(jnp.isnan(Z), axis=0)))
        if unsolved:
            warnings.warn(
                f"{name}: {unsolved} of {Z.shape[1]} {part}s could not be solved and are NaN; in float64 they may be",
                stacklevel=3,
            )
