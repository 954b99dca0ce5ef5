"""Whether NMF finds the limbs."""

import numpy as np
from matplotlib.figure import Figure

from experiments.figures import panels
from experiments.study import Arrays, Section
from experiments.swimmer import ALIKE, EXACT, RANKS, TORSO, WIDTH, Given, Settings
from experiments.swimmer.recovery import COLORS, HATCHES, fields, padded
from experiments.words import span, sure


def compute(settings: Settings, given: Given) -> Arrays:
    """start_… (2, S, …): the fields of Recovered for the S starts at ranks 16 and 17."""
    members = [padded(*given.sweep.members[settings.ranks.index(rank)]) for rank in RANKS]
    W, H = (np.concatenate(pair) for pair in zip(*members, strict=True))
    return fields("start", W, H, given.problem, (len(RANKS), settings.num_restarts))


def plot(arrays: Arrays) -> dict[str, Figure]:
    figure, ax = panels(6.5, 3)
    limbs = np.arange(arrays["start_found"].min(), TORSO + 1)
    for i, (rank, found) in enumerate(zip(RANKS, arrays["start_found"], strict=True)):
        counts = np.bincount(found, minlength=TORSO + 1)[limbs]
        ax.bar(
            limbs + 0.4 * (i - 0.5), counts, 0.4, color=COLORS[i], hatch=HATCHES[i], ec="white", label=f"rank {rank}"
        )
    ax.set(xlabel=f"limb parts found, of {TORSO}", ylabel=f"starts, of {arrays['start_found'].shape[1]}", xticks=limbs)
    ax.legend(fontsize="small")
    ax.grid(axis="y", alpha=0.3)
    return {"starts": figure}


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Does NMF find the limbs?", limbs_answer(arrays), ("starts",))]


def limbs_answer(arrays: Arrays) -> str:
    paragraphs = []
    for i, rank in enumerate(RANKS):
        error, found = arrays["start_error"][i], arrays["start_found"][i]
        exact = error < EXACT
        text = f"Rank {rank}: {exact.sum()} of {len(exact)} random starts end in an exact fit"
        if exact.any():
            text += f", with {span(found[exact])} of the {TORSO} limb parts"
        if not exact.all():
            text += (
                f". The fits from the other {np.sum(~exact)} have {span(found[~exact])} limb parts and a "
                f"relative error of {span(error[~exact], '.3f')}"
            )
        paragraphs.append(text + ".")
    exact = arrays["start_error"] < EXACT
    every = bool(exact.any() and np.all(arrays["start_found"][exact] == TORSO))
    few, more = exact.mean(axis=1)
    error = np.sqrt((few * (1 - few) + more * (1 - more)) / exact.shape[1])  # of the difference of two shares
    spare = (
        f"The spare component of rank {RANKS[1]} helps the fit out of local minima."
        if sure(more - few, error)
        else f"Whether the spare component of rank {RANKS[1]} helps out of local minima, these starts do not show."
    )
    whole, off = (arrays[f"start_{name}"][exact] for name in ("alike", "alike_off_torso"))
    alike = (
        f" Off the torso, the mean cosine of these fits with the limb parts is {span(off, '.3f')}; on all pixels "
        f"their similarity to all {WIDTH} parts is only {span(whole, '.2f')}, because of the torso."
        if exact.any()
        else ""
    )
    lesson = (
        "So a poor start can miss the limbs, but the data leave no choice about them."
        if every
        else "So here even exact fits miss limbs."
    )
    return (
        f"{'Yes, wherever the fit is exact.' if every else 'Not always.'} A limb part counts as found when its cosine "
        f"with a component, on all pixels but those of the torso, is above {ALIKE:g}. {' '.join(paragraphs)} "
        f"{spare}\n\n"
        f"{lesson}{alike}"
    )
