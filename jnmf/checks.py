"""What arguments must be, and messages that say what was expected, what came and what to do.

Values are checked on the host only: inside `jit` and `vmap` an array is a tracer without values, nothing can be raised
there, and `Fit.status` tells instead.
"""

import dataclasses
import math
import numbers
import os
import sys
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def is_traced(*trees) -> bool:
    return any(isinstance(leaf, Tracer) for tree in trees for leaf in jax.tree.leaves(tree))


def on_host(value) -> Any:
    """`value()` as a Python number, or a list of some, also while something else is being traced."""
    with jax.ensure_compile_time_eval():
        return value().tolist()


def warn(message: str) -> None:
    """A warning at the line outside of the library that called it."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "jnmf":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def rank(value, shape: tuple[int, ...] | None = None) -> int:
    """A rank ≥ 1, also above both sides of X; W, H and the Gram matrix of one have to be less than all memory."""
    count(value, "rank", 1)
    value = int(value)
    if shape is not None:
        factors, gram = (4e-9 * length * value for length in (sum(shape), value))
        memory = _memory()
        if factors + gram > memory:
            raise ValueError(
                f"rank: expected one whose factors fit the memory of {memory:.0f} GB, got {value}: W and H take "
                f"{factors:.3g} GB in float32, a Gram matrix {gram:.3g} GB; rank {min(shape)} is enough for every "
                f"nonnegative X {shape}"
            )
    return value


def _memory() -> float:
    """All that the machine has, in GB; infinite where it does not say."""
    try:
        return 1e-9 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


def ranks(values, shape: tuple[int, ...] | None = None) -> list[int]:
    """Different ranks ≥ 1, in the order given."""
    try:
        values = list(values)
    except TypeError:
        raise ValueError(f"ranks: expected several, got {values}; pass [{values}] or range(1, {values} + 1)") from None
    found = [rank(value, shape) for value in values]
    if not found:
        raise ValueError("ranks: expected at least one, got none; pass for example range(1, 11)")
    if len(set(found)) < len(found):
        raise ValueError(f"ranks: expected different integers, got {found}; restarts are what repeats a rank")
    return found


def number(value, name: str) -> None:
    """A finite number ≥ 0, or a traced one."""
    if is_traced(value):
        return
    given = np.asarray(value)
    is_real = given.ndim == 0 and (given.dtype.kind in "iuf" or given.dtype == jnp.bfloat16)
    if not is_real or not (given >= 0 and np.isfinite(given)):
        raise ValueError(f"{name}: expected a finite number of at least 0, got {value!r}")


def count(value, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")


def seed(value) -> int:
    """An integer of 64 bits: outside of them JAX would take another one, or fail."""
    if isinstance(value, np.ndarray | jax.Array) and value.shape == () and value.dtype.kind in "iu":
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not -(2**63) <= int(value) < 2**63:
        raise ValueError(f"key: expected an integer seed from -2**63 to 2**63 - 1, or a jax.random.key, got {value!r}")
    return int(value)


def axis(value) -> None:
    """Along which of X the samples are."""
    if isinstance(value, bool) or value not in (0, 1):
        raise ValueError(f"axis: expected 0 (the rows of X are samples) or 1 (its columns are), got {value!r}")


def choice(value, name: str, known) -> None:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, known))}, got {value!r}")


def algorithm(value) -> None:
    """The hyperparameters of an algorithm; the structure was checked when it was made."""
    if isinstance(value, type) or not hasattr(value, "step") or not hasattr(value, "loss"):
        own = "a method of your own is a subclass of jnmf.Frobenius or jnmf.Algorithm"
        hint = f"write {value.__name__}(…)" if isinstance(value, type) and hasattr(value, "step") else own
        if isinstance(value, str) and value.upper() in ("HALS", "MU", "ALS", "PGD", "ANLS"):
            hint = f"write {value.upper()}()"
        raise TypeError(f"algorithm: expected an instance such as HALS(), got {value!r}; {hint}")
    if hasattr(value, "algorithm"):  # a combinator: its own numbers, and those of what it wraps
        for field in dataclasses.fields(value):
            if field.name != "algorithm":
                number(getattr(value, field.name), field.name)
        algorithm(value.algorithm)
        return
    value.loss.check()
    for name in ("l1_W", "l1_H", "l2_W", "l2_H"):
        number(getattr(value, name), name)
    if hasattr(value, "check_terms"):  # of another that has an objective, it is all that it has
        value.check_terms()
    steps = getattr(value, "step_size", None)
    for step_size in steps if isinstance(steps, tuple) else (steps,):
        if isinstance(step_size, numbers.Real | np.ndarray | jax.Array):
            number(step_size, "step_size")


def warn_of_rows_above(unsolved, name: str):
    """Tell how many rows are above the minimum: unsolved (m, 1), booleans."""
    if not is_traced(unsolved):
        number = on_host(lambda: jnp.sum(unsolved))
        if number:
            warnings.warn(
                f"{name}: {number} of {len(unsolved)} rows are not at a minimum, to rounding; in float64 they may be",
                stacklevel=3,
            )


def warn_of_unsolved(Z, name: str, part: str):
    """Tell how many of the columns of Z are NaN, where Z has values."""
    if not is_traced(Z):
        unsolved = on_host(lambda: jnp.sum(jnp.any(jnp.isnan(Z), axis=0)))
        if unsolved:
            warnings.warn(
                f"{name}: {unsolved} of {Z.shape[1]} {part}s could not be solved and are NaN; in float64 they may be",
                stacklevel=3,
            )
