"""Beside the sheet: W is scaled and H is not."""

from typing import Any

import numpy as np

from experiments.lecture import runs
from experiments.lecture.algorithms import ANLS, METHODS, NAMES, ONE, TWO
from experiments.lecture.delta import curves_by_rank
from experiments.study import Arrays, Section, Table
from experiments.words import listed, span
from jnmf.plot import GREY


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"scaling": draw_scaling(arrays)}


def draw_scaling(arrays: Arrays):
    """How far the loss as printed is above that of the compensated run, while both run."""
    figure, panels = curves_by_rank(arrays, 100 * loss_gap(arrays))
    for ax in panels:
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.set_xlabel("iteration $t + 1$")
    panels[0].set_ylabel("loss as printed above\nthat with $H$ compensated, in %")
    panels[0].legend(fontsize="small")
    return figure


def loss_gap(arrays: Arrays) -> np.ndarray:
    """(K, A, iterations): printed / compensated − 1 of the losses before the scaling; NaN once one has ended."""
    return arrays["loss"][:, :, 0] / arrays["loss"][:, :, 1] - 1


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Beside the sheet: W is scaled and H is not. What does that change?",
            on_scaling(arrays),
            ("scaling",),
            (scaling_table(arrays),),
        )
    ]


def own_loss(arrays: Arrays) -> np.ndarray:
    """(K, A, 3): the loss that each algorithm lowers, as in `examine`."""
    return np.where(np.arange(len(METHODS))[:, None] == TWO, arrays["kl"], arrays["frobenius"])


def last_common_gap(arrays: Arrays, i: int, method: int) -> tuple[int, float]:
    """The last iteration that both runs have, and how far the loss as printed is above the other there."""
    t = int(arrays["num_iters"][i, method].min())
    return t, float(loss_gap(arrays)[i, method, t - 1])


def on_scaling(arrays: Arrays) -> str:
    gap = np.nanmax(np.abs(loss_gap(arrays)), axis=(0, 2))
    returned, before, _ = np.moveaxis(own_loss(arrays), 2, 0)
    rises = np.sum(np.diff(arrays["loss"][:, [ONE, TWO], 0]) > 0, axis=(0, 2))
    wrong = returned / before - 1
    spans = [f"{span(100 * wrong[:, a], '.3g')} % for {name}" for a, name in enumerate(NAMES)]
    told = []
    for i, k in enumerate(arrays["ranks"]):
        for a in (ONE, TWO):
            t, at_end = last_common_gap(arrays, i, a)
            side = "above" if at_end > 0 else "below"
            told.append(f"{NAMES[a]} at k = {k}: {abs(at_end):.2%} {side}, after {t} iterations of both")
    fell = [
        f"{'rose ' + str(count) + ' times' if count else 'never rose'} with {NAMES[a]}"
        for a, count in zip((ONE, TWO), rises, strict=True)
    ]
    return (
        "The pair that the lecture returns is not the fit that it found: dividing a column of W by its scale leaves "
        "W H as it was only if the row of H is multiplied by it, and the lecture leaves H. The loss of the returned "
        f"pair is above that before the last scaling by {listed(spans)}. The smallest case has X and W of one column: "
        "X = (1, 1, 1, 1)ᵀ, W⁰ = (½, ½, 1, ½)ᵀ. ANLS and algorithm I find an exact fit, and the scaling turns it into "
        "one with the loss 18/49 (statement 14, proofs/scaling.py). Algorithm II, with sums, has nothing to repair at "
        "k = 1, and keeps ΣWH = ΣX at every k.\n\n"
        "What follows differs. ANLS computes H again from W, whatever its scale: its losses before the scaling "
        + ("are the same with H compensated" if gap[ANLS] < 1e-9 else f"differ by up to {gap[ANLS]:.1e} of their value")
        + ". The multiplicative updates start from the H that they have: the row of H of the column that was divided "
        "by most comes out too small, that of the column divided by least too large, and they take another path. The "
        "figure compares the losses before the scaling, as printed, with those of a run that compensates H. At the "
        f"last iteration that both have: {'; '.join(told)}. While both run they differ by up to {gap[ONE]:.1%} with "
        f"algorithm I and {gap[TWO]:.1%} with algorithm II.\n\n"
        "That the loss falls is proved for the compensated runs only. As printed, the loss before the scaling "
        f"{listed(fell)}. Both ways have the same fixed points, where nothing is left to scale."
    )


def scaling_table(arrays: Arrays) -> Table:
    own = own_loss(arrays)
    rows = [
        (*names, *map(str, arrays["num_iters"][i, method]), *(f"{value:.6g}" for value in own[i, method]))
        for i, method, *names in runs(arrays)
    ]
    columns = ("k", "algorithm", "iterations", "with H compensated", "loss as returned", "before last scaling")
    return Table(
        (*columns, "with H compensated"), rows, "The loss that each algorithm lowers, at the end of both runs."
    )
