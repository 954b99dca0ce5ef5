"""A frozen dataclass that is a pytree: what an algorithm is."""

from dataclasses import dataclass, field, fields
from typing import Any, dataclass_transform

import jax


def static(default) -> Any:
    """A field that is structure: another value is another program."""
    return field(default=default, metadata={"static": True})


def positional(*, kw_only: bool = False) -> Any:
    """A field without a default that is given by position."""
    return field(kw_only=kw_only)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(positional,))
def pytree(cls):
    """A frozen, keyword-only dataclass that is a pytree: fields marked `static` are structure, the others children.

    As `jax.tree_util.register_dataclass`, but with the class in the structure: there, two classes with equal fields
    have equal structures, MU(beta=1.0) and HALS(inner=1) for one, and `jit` may run the program of the other.
    """
    cls = dataclass(frozen=True, kw_only=True)(cls)
    leaves = [f.name for f in fields(cls) if not f.metadata.get("static")]
    structure = [f.name for f in fields(cls) if f.metadata.get("static")]

    def flatten(x):
        keyed = [(jax.tree_util.GetAttrKey(name), getattr(x, name)) for name in leaves]
        return keyed, (cls, *(getattr(x, name) for name in structure))

    def unflatten(aux, children):
        x = object.__new__(cls)  # not __init__, which checks: JAX also puts placeholders into trees
        for name, value in zip([*structure, *leaves], [*aux[1:], *children], strict=True):
            object.__setattr__(x, name, value)
        return x

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls
