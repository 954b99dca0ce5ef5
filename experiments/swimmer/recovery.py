"""What a fit recovers of the parts, and how its components are drawn."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

import jnmf
from experiments.study import Arrays
from experiments.swimmer import ALIKE, LIMBS, POSITIONS, TORSO, WIDTH, Problem
from jnmf.plot import BLACK, BLUE, GREEN, ORANGE, PINK

COLORS = (BLUE, ORANGE, GREEN, PINK, BLACK)  # of the limbs, and of what is left over
HATCHES = ("", "//", "..", "xx", "")


class Recovered(NamedTuple):
    """`found`: the limb parts that are the limb pixels of a component; `clean`: those that are a whole component, with
    no torso. `own`: the share of the torso's light that comes from components that are the torso, `by_limb` (4,) from
    the components paired with each limb. `error`, relative to ‖X‖. `dead`: components that are zero. `alike`,
    `alike_off_torso`: the similarity to all parts, and of limb pixels to the limb parts."""

    found: Any
    clean: Any
    own: Any
    by_limb: Any
    error: Any
    dead: Any
    alike: Any
    alike_off_torso: Any


def recovered(W, H, problem: Problem) -> Recovered:
    """Of W (m, 17), H (17, n); a fit of rank 16 has a zero component."""
    X, parts = problem
    order = in_order(W, problem)
    W, H = W[:, order], H[order]
    limb_pixels = parts[:, TORSO] == 0
    off_torso = cosines(parts[limb_pixels], W[limb_pixels])[:TORSO]
    light = (parts[:, TORSO] @ W) * H.sum(axis=1)
    shares = light / max(light.sum(), np.finfo(float).tiny)
    return Recovered(
        np.sum(off_torso > ALIKE),
        np.sum((off_torso > ALIKE) & (cosines(parts, W)[:TORSO] > ALIKE)),
        np.sum(shares[cosines(parts[:, TORSO:], W) > ALIKE]),
        shares[:TORSO].reshape(len(LIMBS), POSITIONS).sum(axis=1),
        np.linalg.norm(X - W @ H) / np.linalg.norm(X),
        np.sum(~(W.any(axis=0) & H.any(axis=1))),
        jnmf.similarity(parts, W),
        np.mean(off_torso),
    )


def in_order(W, problem: Problem) -> np.ndarray:
    """(17,): the components in the order of the limb parts that they match best off the torso, then the one left."""
    limb_pixels = (problem.parts[:, TORSO] == 0)[:, None]
    return np.asarray(jnmf.match(problem.parts * limb_pixels, W * limb_pixels))


def cosines(A, B) -> np.ndarray:
    """The cosine of each column of A with that of B, 0 for zero columns; A may have one column for all of B."""
    lengths = np.linalg.norm(A, axis=0) * np.linalg.norm(B, axis=0)
    return np.sum(A * B, axis=0) / np.maximum(lengths, np.finfo(float).tiny)


def fields(prefix: str, W, H, problem: Problem, shape: tuple[int, ...]) -> Arrays:
    """The fields of Recovered for many fits, W (B, m, 17), H (B, 17, n), with the leading axis in this shape."""
    each = [recovered(*pair, problem) for pair in zip(np.asarray(W), np.asarray(H), strict=True)]
    columns = zip(Recovered._fields, map(np.array, zip(*each, strict=True)), strict=True)
    return {f"{prefix}_{name}": column.reshape(*shape, *column.shape[1:]) for name, column in columns}


def shown(W, problem: Problem) -> np.ndarray:
    """W (m, 17) for a figure: in the order of the parts, the largest entry of each component 1."""
    W = np.asarray(W)[:, in_order(W, problem)]
    return W / np.where(W.any(axis=0), W.max(axis=0), 1)


def padded(W, H):
    """W (S, m, r), H (S, r, n) with zero components, to r = 17."""
    missing = WIDTH - np.shape(W)[2]
    return np.pad(W, ((0, 0), (0, 0), (0, missing))), np.pad(H, ((0, 0), (0, missing), (0, 0)))


def part_titles() -> list[str]:
    return [limb if p == 0 else "" for limb in LIMBS for p in range(POSITIONS)] + ["torso"]


def parts_figure(arrays: Arrays, name: str) -> Figure:
    """The components in the order of the parts: the limbs, four positions each, and what is left, if anything is."""
    W, titles = arrays[name], [*part_titles()[:-1], "left over"]
    if not W[:, TORSO].any():  # a fit of rank 16 has 16 components
        W, titles = W[:, :TORSO], titles[:TORSO]
    return jnmf.plot.components(W, arrays["shape"].tolist(), order="F", num_columns=8, titles=titles)
