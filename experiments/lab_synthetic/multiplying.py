"""The multiplicative updates: nonnegative without a projection, and zeros stay."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments.figures import marks, panels, plain
from experiments.lab_synthetic import ERROR, Given, Settings
from experiments.lab_synthetic.methods import on_host, stack, trace_error, transposed
from experiments.study import Arrays, Section
from experiments.words import flowing
from jnmf import MU, Factors
from jnmf.plot import BLUE, ORANGE


def compute(settings: Settings, given: Given) -> Arrays:
    """MU from the start, and from it with every tenth entry of H at zero.

    lowest, least (2 starts, iterations): the least entry of W and H, and the least that is not 0; count, of the same
    shape: how many are 0; error, of the same shape; kept: how many of the zeros put into H are at the end.
    """
    V, start = given.V, given.few[0]
    chosen = np.add.outer(np.arange(start.H.shape[0]), np.arange(start.H.shape[1])) % 10 == 0
    starts = stack([start, on_host(start.W, np.where(chosen, 0, start.H))])
    H, (lowest, least, count, loss) = followed(V, starts, MU(), num_iters=settings.num_iters)
    return {
        "zeros_lowest": np.asarray(lowest),
        "zeros_least": np.asarray(least),
        "zeros_count": np.asarray(count),
        "zeros_error": trace_error(V, np.asarray(loss)),
        "zeros_kept": np.array([np.sum(np.asarray(H)[1][chosen] == 0), chosen.sum()]),
    }


def entries(_, new: Factors, info):
    """What is recorded of an iteration: the least entry, the least but 0, how many are 0, and the loss."""
    all_of_them = jnp.concatenate([jnp.ravel(A) for A in new])
    least = jnp.min(jnp.where(all_of_them > 0, all_of_them, jnp.inf))
    return jnp.min(all_of_them), least, jnp.sum(all_of_them == 0), info.loss


@partial(jax.jit, static_argnames="num_iters")
def followed(V, starts: Factors, algorithm, *, num_iters: int):
    """From each start H at the end, and the `entries` of each iteration."""

    def one(start):
        end, seen = jnmf.run(V.T, transposed(start), algorithm, num_iters=num_iters, record=entries)
        return transposed(end).H, seen

    return jax.vmap(one)(starts)


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"entries": plot_entries(SimpleNamespace(**arrays))}


def plot_entries(a):
    figure, (left, right) = panels(9, 3.6, 1, 2)
    iterations = np.arange(1, a.zeros_least.shape[1] + 1)
    series = (("positive start", BLUE, "-", "o"), ("start with a tenth of H at 0", ORANGE, "--", "^"))
    for i, (label, color, dash, marker) in enumerate(series):
        style = {
            "color": color,
            "linestyle": dash,
            "marker": marker,
            "markevery": marks(len(iterations), 3 * i),
            "label": label,
        }
        left.plot(iterations, a.zeros_least[i], **style)
        right.plot(iterations, a.zeros_error[i], **style)
    left.set(xscale="log", yscale="log", xlabel="iteration of MU", ylabel="least entry of W and H that is not 0")
    right.set(xscale="log", yscale="log", xlabel="iteration of MU", ylabel=ERROR)
    plain(right.yaxis)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_multiplying(SimpleNamespace(**arrays))]


def about_multiplying(a) -> Section:
    first, least, count = a.zeros_least[0, 0], a.zeros_least[0, -1], int(a.zeros_count[0, -1])
    kept, put = (int(v) for v in a.zeros_kept)
    others, number = int(a.zeros_count[1, -1]) - kept, a.zeros_least.shape[1]
    zero = "no entry is 0" if count == 0 else f"{count} entries are 0, for want of smaller numbers in float64"
    ends = a.zeros_error[:, -1]
    answer = "Yes" if a.zeros_lowest.min() >= 0 else "NO, which cannot be right"
    text = f"""
        {answer}: the least entry of W and H in all {number} iterations of two runs is {a.zeros_lowest[0].min():.2g}
        from a positive start, and {a.zeros_lowest[1].min():.2g} from one with zeros. Each entry is multiplied by a
        quotient of nonnegative numbers, and nothing is projected.

        The least entry is {first:.2g} after the first iteration and {least:.2g} after {number}; {zero}. The other side:
        an entry at 0 stays there. Of {put} entries of H set to 0 at the start, every tenth,
        {"all" if kept == put else kept} are 0 at the end, and {"no" if others == 0 else others} other entry is. That
        run ends at an error of {ends[1]:.3g}, the one from the positive start at {ends[0]:.3g}.
    """
    question = "Do the multiplicative updates keep W and H nonnegative without a projection?"
    return Section(question, flowing(text), ("entries",))
