"""What every pytree promises: an algorithm, a loss, a kind of matrix."""

import copy
import dataclasses

import jax
import numpy as np

from jnmf.testing.promises import raised


def is_a_pytree(x):
    """It is a pytree, a node of its own class: flattened and put together again it is the same, structure included.

    Derive an algorithm from jnmf.Algorithm or jnmf.Frobenius and a loss from jnmf.losses.Loss, and mark structure with
    jnmf.pytree.static; a kind of matrix may be a NamedTuple.
    """
    leaves, structure = jax.tree.flatten(x)
    again = jax.tree.unflatten(structure, leaves)
    if structure.num_leaves == 1 and leaves[0] is x:
        return "a leaf"
    if type(again) is not type(x) or jax.tree.structure(again) != structure:
        return f"{jax.tree.structure(again)} after {structure}"
    for field in dataclasses.fields(x) if dataclasses.is_dataclass(x) else ():
        before, after = getattr(x, field.name), getattr(again, field.name)
        if jax.tree.structure(before) != jax.tree.structure(after) or any(
            map(_differ, *map(jax.tree.leaves, (before, after)))
        ):
            return f"{field.name} was {before!r} and is {after!r}"
    return None


def _differ(a, b):
    return a is not b and not np.array_equal(a, b)


def structure_is_comparable(x):
    """Its leaves are numbers, and its structure equals that of a copy: what `jit` finds a program by.

    Mark names and counts as static, with jnmf.pytree.static, and keep no arrays there.
    """
    leaves, structure = jax.tree.flatten(x)
    odd = [leaf for leaf in leaves if not np.issubdtype(np.asarray(leaf).dtype, np.number)]
    if odd:
        return f"the leaves {odd!r}"
    try:
        return None if structure == jax.tree.structure(copy.deepcopy(x)) else "a structure that its copy has not"
    except (TypeError, ValueError) as error:
        return raised(error)


def new_numbers_are_no_new_programs(x):
    """Another value of a field that is not marked static is the same program.

    Annotate the field, as weight: float = 0.5, in a subclass of jnmf.pytree.Pytree: it becomes a leaf.
    """
    parts = [x]
    for part in parts:
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if dataclasses.is_dataclass(value):  # what a combinator wraps, a loss
                parts.append(value)
            elif isinstance(value, float | jax.Array) and not field.metadata.get("static"):
                other = object.__new__(type(part))  # not checked: what values are allowed is not known here
                other.__dict__.update(vars(part) | {field.name: value + 1})
                if jax.tree.structure(other) != jax.tree.structure(part):
                    return f"{field.name} = {value} and {value + 1} are two programs"
    return None


PROMISES = (is_a_pytree, structure_is_comparable)
