"""A folder in which a study leaves what it has finished, one file per batch, so that a second call resumes."""

import hashlib
import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jnmf import io
from jnmf.results import saved
from jnmf.resuming import fingerprint

SHAPE = "shape and dtype of X"


@saved
class Batch(NamedTuple):
    """Members of a study, which they are, (rank, restart) each, and a digest of what their study is."""

    pairs: tuple
    members: tuple
    study: str


def opened(folder, X, told: dict[str, Any]) -> dict:
    """{(rank, restart): member} of what a folder holds of a study of X; it is made where there is none.

    told: what the study is, by name; two are the same whose words for it are, and whose X have one fingerprint. Raises
    ValueError for a folder that holds another study, and for a file in it that cannot be read.
    """
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"checkpoint: expected the path of a folder, got {folder!r}")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"checkpoint: expected a folder, got {folder}, which is a file, or in one") from None
    words = {SHAPE: f"{X.shape} {X.dtype}"} | {name: described(value) for name, value in told.items()}
    path, words = folder / "study.json", words | {"X and mask, their fingerprint,": str(fingerprint(X))}
    if not path.exists():
        io.written_whole(path, lambda file: file.write(json.dumps(words, indent=1).encode()))
    try:
        before = dict(json.loads(path.read_text()))
        if SHAPE not in before:
            raise ValueError("it tells of no study")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); delete the folder {folder}") from None
    for name, value in words.items():
        if before.get(name) != value:
            raise ValueError(
                f"checkpoint: expected the study of {folder}, whose {name} is {before.get(name)}, got {value}; choose "
                "another folder, or delete it"
            )
    found, digest = {}, _digest(folder)
    for file in sorted(folder.glob("rank-*.npz")):
        try:
            batch = io.load(file)
            if not isinstance(batch, Batch):
                raise ValueError(f"expected a batch of the study, got a {type(batch).__name__} in {file}")
            if batch.study != digest:
                raise ValueError(f"expected a batch of the study, got one of another study in {file}")
        except ValueError as error:
            raise ValueError(f"checkpoint: {error}; delete that file, and its members are computed again") from None
        found |= {tuple(pair): member for pair, member in zip(batch.pairs, batch.members, strict=True)}
    return found


def keep(folder, pairs, members) -> None:
    """A batch as a file, whole or not at all."""
    rank, restart = pairs[0]
    batch = Batch(tuple(pairs), tuple(members), _digest(folder))
    io.save(Path(folder) / f"rank-{rank:04}-restart-{restart:05}.npz", batch)


def _digest(folder) -> str:
    return hashlib.sha256((Path(folder) / "study.json").read_bytes()).hexdigest()


def described(value) -> str:
    """A setting in words that are equal for equal settings: its repr, and a digest of the arrays in it.

    Of a function only the name is told, not what it closes over.
    """
    if isinstance(value, partial):  # of whose arrays NumPy would print the corners
        arguments = [f"{name}={described(argument)}" for name, argument in sorted(value.keywords.items())]
        return f"partial({', '.join([*map(described, (value.func, *value.args)), *arguments])})"
    leaves = [_plain(leaf) for leaf in jax.tree.leaves(value)]
    arrays = [np.asarray(leaf) for leaf in leaves if np.ndim(leaf)]
    if not arrays:
        return re.sub(r" at 0x\w+", "", repr(value))
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    scalars = [leaf for leaf in leaves if not np.ndim(leaf)]
    return re.sub(r" at 0x\w+", "", f"{type(value).__name__} {scalars} {digest.hexdigest()[:16]}")


def _plain(leaf):
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf
