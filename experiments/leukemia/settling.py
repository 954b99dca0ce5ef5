"""After how many updates the assignments settle, and how much memory an update needs."""

from functools import partial
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jnmf
from experiments.figures import panels
from experiments.leukemia import Given, Settings
from experiments.study import Arrays, Section, Table
from jnmf import MU, Factors


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """assigned (R, watched, looks, n): the cluster of each sample at the iterations looks. memory (2,): bytes that one
    update of H and W needs beside X, W and H, for KL and for the Frobenius loss, at the largest rank."""
    X, ranks = given.X, sorted(settings.ranks)
    starts, num_looks = watched_starts(X, ranks, settings), settings.num_iters // settings.every
    assigned = np.asarray(assignments(X, starts, settings.every, num_looks))
    return {
        "assigned": assigned.reshape(len(ranks), -1, *assigned.shape[1:]),
        "looks": settings.every * np.arange(1, num_looks + 1),
        "memory": np.array([working_memory(X, starts, MU(beta=beta)) for beta in (1.0, 2.0)]),
    }


def watched_starts(X, ranks: list[int], settings: Settings) -> Factors:
    """The first starts of each rank in the sweep, padded with zero components: W (B, m, r_max), H (B, r_max, n)."""
    keys = jax.random.split(jax.random.key(settings.seed), settings.num_restarts)[: settings.watched]
    widest = max(ranks)
    # The start of a rank is, up to its scale, the first components of that of a larger one: one program for all.
    wide = [tuple(map(np.asarray, jnmf.init.random(key, X, widest))) for key in keys]
    kept = [np.sqrt(widest / rank) * (np.arange(widest) < rank) for rank in ranks]
    W, H = (np.stack(A) for A in zip(*((W * s, H * s[:, None]) for s in kept for W, H in wide), strict=True))
    return Factors(jnp.asarray(W), jnp.asarray(H))


@partial(jax.jit, static_argnames=("every", "num_looks"))
def assignments(X, starts: Factors, every: int, num_looks: int):
    """(B, num_looks, n): the component of the largest entry in each column of H, at regularly spaced iterations."""
    look = {"num_iters": every * num_looks, "every": every, "record": strongest}
    return lax.map(lambda start: jnmf.run(X, start, MU(beta=1.0), **look)[1], starts)


def strongest(old: Factors, new: Factors, info):
    """(n,): the component of the largest entry in each column of H."""
    return jnp.argmax(new.H, axis=0)


def working_memory(X, starts: Factors, algorithm) -> int:
    """Bytes of the arrays that an iteration of one of these starts makes on its way, as the compiler plans them."""
    state = algorithm.init(X, Factors(starts.W[0], starts.H[0]))
    iteration = jax.jit(lambda X, state: algorithm.step(X, state)[0])
    plan: Any = iteration.lower(X, state).compile().memory_analysis()
    return plan.temp_size_in_bytes


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"settling": draw_settling(arrays)}


def draw_settling(arrays: Arrays):
    """How many samples are not yet where they end: the mean over the watched restarts against the iteration."""
    figure, ax = panels(5.5, 3.5)
    away = np.sum(arrays["assigned"] != arrays["assigned"][:, :, -1:], axis=3).mean(axis=1)
    styles = zip(*map(cycle, (jnmf.plot.COLORS, jnmf.plot.MARKERS, jnmf.plot.DASHES)), strict=True)
    for k, curve, (color, marker, dash) in zip(arrays["ranks"], away, styles, strict=False):
        style = {"color": color, "marker": marker, "linestyle": dash, "markevery": max(1, len(curve) // 10)}
        ax.plot(arrays["looks"], curve, label=f"k = {k}", markersize=5, linewidth=1.4, **style)
    ax.set(xlabel="iteration", ylabel=f"samples of {arrays['X_shape'][1]} not yet where they end (mean)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    return figure


def sections(arrays: Arrays) -> list[Section]:
    question = "How many updates does it take until the assignments settle, and how much memory?"
    return [Section(question, on_settling(arrays), ("settling",), (settling_table(arrays),))]


def last_changes(arrays: Arrays) -> np.ndarray:
    """(R, watched): the first iteration looked at from which on no sample changes its cluster."""
    changed = np.any(np.diff(arrays["assigned"], axis=2) != 0, axis=3)
    return np.max(np.where(changed, arrays["looks"][1:], arrays["looks"][0]), axis=2)


def on_settling(arrays: Arrays) -> str:
    settled, end, every = last_changes(arrays), arrays["looks"][-1], arrays["looks"][0]
    told = [
        f"at k = {k} it came after {np.median(of_rank):.0f} iterations in the median, {of_rank.max()} at the most"
        for k, of_rank in zip(arrays["ranks"], settled, strict=True)
    ]
    late = int(np.sum(settled > 0.75 * end))
    (m, n), (kl, frobenius) = arrays["X_shape"], arrays["memory"]
    size = 8 * m * n
    return (
        f"The last change of any sample: {'; '.join(told)}. In {settled.shape[1]} restarts of each k the assignments "
        f"were looked at every {every} iterations, up to {end}. "
        + (f"{late} of {settled.size} runs" if late else "No run")
        + " still changed in the last quarter"
        + (", so that a longer run may change more." if late else ".")
        + "\n\nAn update for the divergence needs the quotients X ⊘ W H, as many numbers as X, which has "
        f"{size / 1e6:.1f} MB. As compiled, an iteration works in {kl / 1e6:.2f} MB beside X, W and H, "
        f"{kl / size:.2g} times X"
        + (": the quotients are taken in blocks" if kl < size else "")
        + f". One for the Frobenius loss needs only WᵀX and HXᵀ, and works in {frobenius / 1e6:.2f} MB. Restarts that "
        "run side by side need as many times that."
    )


def settling_table(arrays: Arrays) -> Table:
    rows = [(str(k), *map(str, of_rank)) for k, of_rank in zip(arrays["ranks"], last_changes(arrays), strict=True)]
    columns = ("k", *(f"restart {i + 1}" for i in range(arrays["assigned"].shape[1])))
    return Table(columns, rows, "The iteration after which no sample changed its cluster.")
