"""Where the torso goes in fits without a penalty."""

import numpy as np
from matplotlib.figure import Figure

from experiments.figures import legend_beneath, panels
from experiments.study import Arrays, Section
from experiments.swimmer import EXACT, LIMBS, RANKS, TORSO, WHOLE, WIDTH, Given, Settings
from experiments.swimmer.recovery import COLORS, HATCHES, padded, parts_figure, shown
from experiments.words import percent, span


def compute(settings: Settings, given: Given) -> Arrays:
    """best_16, best_17 (m, 17): the best fits, in the order of the parts."""
    best = {rank: padded(*(np.asarray(A)[None] for A in given.sweep.best(rank)))[0][0] for rank in RANKS}
    return {f"best_{rank}": shown(W, given.problem) for rank, W in best.items()}


def plot(arrays: Arrays) -> dict[str, Figure]:
    return {
        "parts_16": parts_figure(arrays, "best_16"),
        "parts_17": parts_figure(arrays, "best_17"),
        "torso": torso_figure(arrays),
    }


def torso_figure(arrays: Arrays) -> Figure:
    """For exact fits without penalty: who carries the torso."""
    most = int(np.sum(arrays["start_error"] < EXACT, axis=1).max())
    figure, axes = panels(7.5, 1.4 + 0.15 * max(most, 6), columns=len(RANKS), sharey=True)
    for i, (ax, rank) in enumerate(zip(axes, RANKS, strict=True)):
        exact = arrays["start_error"][i] < EXACT
        shares = arrays["start_by_limb"][i][exact]
        shares = np.column_stack([shares, 1 - shares.sum(axis=1)])
        left = np.zeros(len(shares))
        for share, name, color, hatch in zip(shares.T, (*LIMBS, "left over"), COLORS, HATCHES, strict=True):
            ax.barh(range(len(shares)), 100 * share, left=left, color=color, hatch=hatch, edgecolor="white", label=name)
            left = left + 100 * share
        ax.set(title=f"rank {rank}", xlabel="share of the torso, %", xlim=(0, 100), yticks=[])
    axes[0].set_ylabel("exact fits, one a row")
    legend_beneath(figure, axes[0], ncols=5)
    return figure


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Where does the torso go?", torso_answer(arrays), ("parts_16", "parts_17", "torso"))]


def torso_answer(arrays: Arrays) -> str:
    exact = arrays["start_error"] < EXACT
    texts = []
    for i, rank in enumerate(RANKS):
        limbs, own, clean = (arrays[f"start_{name}"][i][exact[i]] for name in ("by_limb", "own", "clean"))
        texts.append(
            f"At rank {rank}, in {len(own)} exact fits, all limbs together carry {percent(limbs.sum(axis=1))} "
            f"of the torso, each of the four {percent(limbs)}, and a component that is the torso and nothing "
            f"else carries {percent(own)}; {span(clean)} of the {TORSO} limb parts are without torso."
            if len(own)
            else f"At rank {rank} no start was exact."
        )
    own = arrays["start_own"][1][exact[1]]
    alone = int(np.sum(own > WHOLE))
    found = f"{alone} of {len(own)} starts find it" if alone else "no start finds it; nothing in the loss asks for it"
    onto_limbs = not len(own) or np.median(own) < 0.5
    return (
        f"{'Onto the limbs, as a ghost in each of them' if onto_limbs else 'Mostly into a component of its own'} "
        f"(first two figures; the brightest pixel of a component is 1). {' '.join(texts)}\n\n"
        "At rank 16 the four positions of a limb must carry the same share, for whichever is in the picture, the whole "
        "torso is. How the limbs divide it is left to the start: the third figure has a row for each exact fit. With "
        f"{WIDTH} components there is room for a torso of its own, but {found}."
    )
