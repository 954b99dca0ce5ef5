"""Projected least squares: what the objective does when the projection is iterated."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jnmf
from experiments.figures import panels, plain
from experiments.lab_synthetic import ERROR, Given, Settings, curves, preceding
from experiments.lab_synthetic.methods import SETTLED, rose, stack, trace_error
from experiments.study import Arrays, Section, Table
from experiments.words import counted, flowing, span
from jnmf import Factors, solvers
from jnmf.losses import frobenius
from jnmf.plot import BLACK, BLUE, ORANGE


def compute(settings: Settings, given: Given) -> Arrays:
    """ALS as it is (0), and with the columns of W scaled to maximum 1 after each iteration (1), from B starts.

    half (2, B, iterations, 2): the error after the half-step for W and after that for H; stretch (2, B, iterations):
    the longest column of W divided by the shortest.
    """
    scaled = np.array([False, True])
    loss, stretch = als_half_steps(given.V, stack(given.few), scaled, num_iters=settings.num_iters)
    return {"als_half": trace_error(given.V, np.asarray(loss)), "als_stretch": np.asarray(stretch)}


@partial(jax.jit, static_argnames="num_iters")
def als_half_steps(V, starts: Factors, scaled, *, num_iters: int):
    """½‖V − W H‖² after each half-step, and the stretch, for each of the options `scaled` (2,) and each start."""

    def one(scaled, start):
        def iterate(factors, _):
            W, H = factors
            W = solvers.least_squares(W.T, H @ H.T, H @ V.T).T
            between = frobenius(V, W, H)
            H = solvers.least_squares(H, W.T @ W, W.T @ V)
            after = frobenius(V, W, H)
            lengths = jnp.linalg.norm(W, axis=0)
            own, unit = Factors(W, H), jnmf.normalize(Factors(W, H))
            following = jax.tree.map(lambda a, b: jnp.where(scaled, a, b), unit, own)
            return following, (jnp.stack([between, after]), lengths.max() / lengths.min())

        return lax.scan(iterate, start, length=num_iters)[1]

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))(scaled, starts)


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"projected": plot_projected(SimpleNamespace(**arrays))}


def plot_projected(a):
    figure, (left, right) = panels(9, 3.6, 1, 2)
    error, before = curves(a, "ALS")[0], preceding(a, "ALS")[0]
    iterations = np.arange(1, len(error) + 1)
    rising = rose(before, error)
    left.plot(iterations, error, color=BLACK, linewidth=1, label="ALS, start 1")
    left.plot(
        iterations[rising],
        error[rising],
        color=ORANGE,
        marker="^",
        markersize=4,
        linestyle="none",
        label="here it rises",
    )
    scaled = a.als_half[1, 0, :, 1]
    left.plot(iterations, scaled, color=BLUE, linestyle="--", linewidth=1, label="with scaled columns")
    left.set(xscale="log", yscale="log", xlabel="iteration", ylabel=ERROR)
    plain(left.yaxis)
    for k, (label, color, dash) in enumerate((("ALS", BLACK, "-"), ("with scaled columns", BLUE, "--"))):
        for s, stretch in enumerate(a.als_stretch[k]):
            shown = np.where(np.isfinite(stretch), stretch, np.nan)
            right.plot(iterations, shown, color=color, linestyle=dash, linewidth=1, label=label if s == 0 else None)
    right.set(xscale="log", yscale="log", xlabel="iteration", ylabel="longest / shortest column of W")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [about_projecting(SimpleNamespace(**arrays))]


def about_projecting(a) -> Section:
    question = "Projected ALS, iterated: what does the objective do?"
    error, before = curves(a, "ALS"), preceding(a, "ALS")
    risen = rose(before, error)
    growth = grown(before, error)
    s, t = np.unravel_index(growth.argmax(), growth.shape)
    number, last, lowest = error.shape[1], error[:, -1], error.min(axis=1)
    clipped = np.median(a.ls_clipped[a.main])
    helps = "less than" if np.median(last) < clipped else "no less than"
    text = f"""
        W is the projected least squares solution for H, then H that for the new W. The error after {number} iterations
        is {span(last)} ({counted(len(error), "random start")}), from {span(a.start_error)} at the start; the median
        {np.median(last):.3g} is {helps} the {clipped:.3g} that clipping at the end left.
    """
    if risen.any():
        late = risen[:, number // 2 :].mean()
        after_W, after_H = a.als_half[0, :, :, 0], a.als_half[0, :, :, 1]
        by_W = rose(np.concatenate([before[: len(after_H), :1], after_H[:, :-1]], axis=1), after_W).mean()
        by_H = rose(after_W, after_H).mean()
        text = f"""
        It does not fall steadily: it rises in {span(risen.sum(axis=1), "d")} of {number} iterations, depending on the
        start; from start 1 in iterations {some(risen[0])}. [V Hᵀ(HHᵀ)⁻¹]₊ is not the minimiser over W ≥ 0 (statement 3
        of `proofs/`, step 5, has an example), so nothing forbids it.

        {text}

        The half-step for W raises the objective in {by_W:.0%} of the iterations, that for H in {by_H:.0%}. In the
        second half of the runs it rises in {late:.0%} of the iterations: the method
        {"does not settle" if late > 0.02 else "settles"}, and ends {span(last / lowest - 1, ".0%")} above the lowest
        error it passed. The largest rise multiplied the error by {growth[s, t]:.3g}, to {error[s, t]:.3g}, in
        iteration {t + 1} from start {s + 1}.

        {scaling_control(a)}
        """
    else:
        text = f"It falls: in {number} iterations it did not rise, from any start.\n\n{text}"
    rows = [
        (
            f"{k + 1}",
            f"{risen[k].sum()}",
            some(risen[k]),
            *((f"{growth[k].max():.3g}", f"{growth[k].argmax() + 1}") if risen[k].any() else ("", "")),
            f"{lowest[k]:.4f}",
            f"{last[k]:.4f}",
        )
        for k in range(min(5, len(error)))
    ]
    columns = ("start", "rises", "in iterations", "error at most ×", "in iteration", "lowest error", "last error")
    table = Table(columns, rows, f"Projected ALS, {number} iterations.")
    return Section(question, flowing(text), ("projected",), (table,))


def grown(before, after) -> np.ndarray:
    """The factor by which the error grew, 1 where it did not."""
    return np.divide(after, before, out=np.ones_like(after), where=after > before)


def scaling_control(a) -> str:
    """What scaling the columns of W in each iteration changes."""
    error = a.als_half[:, :, :, 1]
    rises = rose(error[:, :, :-1], error[:, :, 1:]).mean(axis=(1, 2))
    jump = grown(error[:, :, SETTLED - 1 : -1], error[:, :, SETTLED:]).max(axis=(1, 2))
    text = f"""A control: the same with the columns of W scaled to maximum 1 after each iteration and the rows of H by
        the inverse, which leaves W H as it is, and in exact arithmetic, while the Gram matrices have inverses, all that
        follows. After iteration {SETTLED} the error grows by a factor of at most {jump[0]:.3g} as it is and
        {jump[1]:.3g} with scaling; it rises in {rises[0]:.0%} and {rises[1]:.0%} of the iterations."""
    if jump[0] < 2 * jump[1]:
        return text + " So the scales make little difference to the rises here."
    text += " So the large jumps need the scales that drift from iteration to iteration."
    return text + (" The small rises stay: they come from the projection." if rises[1] > 0.02 else "")


def some(risen, most: int = 6) -> str:
    """The first iterations that rose, counted from 1."""
    places = [str(i + 1) for i in np.flatnonzero(risen)]
    return ", ".join(places[:most]) + (", …" if len(places) > most else "") if places else "none"
