"""A frozen dataclass that is a pytree: what an algorithm and a loss are."""

import inspect
import numbers
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, dataclass_transform

import jax
import numpy as np

SHOWN = 8  # entries of an array, at most; a longer one is told by its shape


def static(default: Any) -> Any:
    """A field that is structure: another value is another program."""
    return field(default=default, metadata={"static": True})


def positional(*, kw_only: bool = False) -> Any:
    """A field without a default that is given by position."""
    return field(kw_only=kw_only)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(positional,))
class Pytree:
    """Subclasses are frozen, keyword-only dataclasses and pytrees: fields marked `static` are structure, others leaves.

    Nothing else has to be written: annotated fields are enough. Each class is a kind of node of its own: as plain
    tuples, MU(beta=1.0) and HALS(inner=1) would have equal structures, and `jit` might run the program of the other.

    Raises TypeError for a number without an annotation, which would not be a field (but what a base class declares as
    no field, as `Loss.degree`, is set without one), for such a declaration annotated as a field, and for an `__init__`
    of one's own.
    """

    implied: ClassVar[Any] = ()  # names of fields that follow from others, left out of the repr

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        of_base = {f.name for f in fields(cls)} if is_dataclass(cls) else ()  # pyright: ignore[reportArgumentType]
        for name in vars(cls).keys() - inspect.get_annotations(cls).keys():
            value = vars(cls)[name]
            is_number = isinstance(value, numbers.Number | jax.Array | np.ndarray) and not isinstance(value, bool)
            if is_number and (name in of_base or not any(hasattr(base, name) for base in cls.__bases__)):
                raise TypeError(
                    f"{cls.__name__}.{name}: expected an annotation, got a bare {value!r}; "
                    f"write {name}: {type(value).__name__} = {value!r}"
                )
        for name, annotation in inspect.get_annotations(cls).items():
            if not _is_class_variable(annotation) and any(_declares(base, name) for base in cls.__mro__[1:]):
                raise TypeError(
                    f"{cls.__name__}.{name}: expected a declaration, got a field; "
                    f"write {name}: ClassVar[{getattr(annotation, '__name__', annotation)}] = {vars(cls).get(name)!r}"
                )
        if "__init__" in vars(cls):
            raise TypeError(f"{cls.__name__}: expected fields, got an __init__; check them in __post_init__")
        dataclass(frozen=True, kw_only=True, repr=False)(cls)
        of_cls = fields(cls)  # pyright: ignore[reportArgumentType]
        leaves = [f.name for f in of_cls if not f.metadata.get("static")]
        structure = [f.name for f in of_cls if f.metadata.get("static")]

        def flatten(x):
            keyed = [(jax.tree_util.GetAttrKey(name), getattr(x, name)) for name in leaves]
            return keyed, tuple(getattr(x, name) for name in structure)

        def unflatten(aux, children):
            x = object.__new__(cls)  # not __init__, which checks: JAX also puts placeholders into trees
            for name, value in zip([*structure, *leaves], [*aux, *children], strict=True):
                object.__setattr__(x, name, value)
            return x

        jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)

    def __repr__(self) -> str:
        """The class and the fields that have not their default: what one would write."""
        given = []
        for f in fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, f.name)
            if f.name not in self.implied and not _equal(value, f.default):
                given.append(f"{f.name}={_shown(value)}" if f.kw_only else _shown(value))
        return f"{type(self).__name__}({', '.join(given)})"


def _is_class_variable(annotation) -> bool:
    return "ClassVar" in str(annotation)  # a string, where annotations are not evaluated


def _declares(cls, name) -> bool:
    """Whether a class says something of itself under this name: True, False or None. (A loss may become a field.)"""
    declared = _is_class_variable(inspect.get_annotations(cls).get(name))
    return declared and isinstance(vars(cls).get(name), bool | None)


def _shown(value) -> str:
    """What one would write, but of a long array the shape."""
    if isinstance(value, jax.Array | np.ndarray) and value.size > SHOWN:
        return f"<{value.dtype} {value.shape}>"
    return repr(value)


def _equal(a, b) -> bool:
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # arrays, tracers
        return False
