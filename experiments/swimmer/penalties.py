"""What a sparsity penalty changes: it chooses among the exact answers."""

import numpy as np
from matplotlib.figure import Figure

from experiments.figures import legend_beneath, panels
from experiments.study import Arrays, Section, Table
from experiments.swimmer import TORSO, WHOLE, WIDTH, Given, Job, Settings, projection
from experiments.swimmer.identifiable import ANSWERS, exact_answers
from experiments.swimmer.recovery import fields, parts_figure, shown
from experiments.words import listed, percent, span
from jnmf import Factors
from jnmf.plot import BLUE, GREEN, ORANGE, PINK

PENALTIES = {  # (l1_W, l1_H, l2_W, l2_H) in units of λ
    "l1 on W, l1 on H": (1, 1, 0, 0),
    "l1 on W, l2 on H": (1, 0, 0, 1),
    "l2 on W, l1 on H": (0, 1, 1, 0),
}
PLACES = ("a part of its own", "on one limb", "on several limbs", "not all limbs found")


def jobs(random: list[Factors], settings: Settings) -> list[Job]:
    """For each kind of penalty and each level the first starts."""
    kinds = [np.array(kind, float) for kind in PENALTIES.values()]
    starts = random[: settings.path_restarts]
    return [(start, level * kind) for kind in kinds for level in settings.penalties for start in starts]


def compute(settings: Settings, given: Given) -> Arrays:
    """prices (3, 3), of each penalty the exact answers; penalties (V,); path_… (3, V, P, …), the fields of Recovered;
    penalised (m, 17), the fit with most limb parts without torso, and penalised_at (3,), its place; the projection."""
    W, H = given.fits["path"]
    shape = len(PENALTIES), len(settings.penalties), settings.path_restarts
    path = fields("path", W, H, given.problem, shape)
    best = int(np.argmax(path["path_clean"] + path["path_own"]))
    answers = exact_answers(given.problem)
    return {
        "prices": np.array([[price(weights, *pair) for pair in answers] for weights in PENALTIES.values()]),
        "penalties": np.array(settings.penalties),
        **path,
        "penalised": shown(W[best], given.problem),
        "penalised_at": np.array(np.unravel_index(best, shape)),
        **projection.compute(settings, given),
    }


def price(weights, W, H) -> float:
    """The least penalty, for λ = 1, of W H over all scales of its components: w c and h / c have the same product.

    l1 on both: c a + b/c is least at 2 √(ab). l1 on one, l2 on the other: c a + b²/2c² is least at 1.5 (ab)^⅔.
    """
    l1_W, l1_H, *_ = weights
    a = np.linalg.norm(W, 1 if l1_W else 2, axis=0)
    b = np.linalg.norm(H, 1 if l1_H else 2, axis=1)
    return float(np.sum(2 * np.sqrt(a * b) if l1_W and l1_H else 1.5 * (a * b) ** (2 / 3)))


def plot(arrays: Arrays) -> dict[str, Figure]:
    return {"penalties": penalties_figure(arrays), "parts_penalised": parts_figure(arrays, "penalised")}


def penalties_figure(arrays: Arrays) -> Figure:
    """Against λ, for each penalty: the limb parts found, those clean, and where the torso is."""
    levels = arrays["penalties"]
    x = np.arange(len(levels))
    figure, axes = panels(8, 4.6, 2, len(PENALTIES), sharex=True, sharey="row")
    for kind, (above, below), name in zip(range(len(PENALTIES)), axes.T, PENALTIES, strict=True):
        limbs = {"limb parts found": ("path_found", BLUE, "o", "-"), "without torso": ("path_clean", ORANGE, "^", "--")}
        for label, (field, color, marker, dash) in limbs.items():
            values = arrays[field][kind]
            above.plot(x, values, linestyle="none", marker=marker, color=color, alpha=0.25, markersize=4)
            above.plot(x, values.mean(axis=1), color=color, linestyle=dash, marker=marker, markersize=5, label=label)
        places = np.array(
            [[torso_place(arrays, kind, i, k) for k in range(arrays["path_own"].shape[2])] for i in range(len(x))]
        )
        bottom = np.zeros(len(x))
        for place, color, hatch in zip(PLACES, (GREEN, PINK, BLUE, "0.85"), ("", "//", "..", ""), strict=True):
            share = 100 * np.mean(places == place, axis=1)
            below.bar(x, share, bottom=bottom, color=color, hatch=hatch, edgecolor="white", label=place)
            bottom = bottom + share
        above.set(title=name, ylim=(-0.5, TORSO + 0.7))
        above.grid(alpha=0.3)
        below.set(xlabel="penalty λ", ylim=(0, 100))
        below.set_xticks(x, [f"{level:g}" for level in levels], fontsize=8, rotation=45)
    axes[0, 0].set_ylabel(f"limb parts, of {TORSO}")
    axes[1, 0].set_ylabel("starts, %")
    axes[0, -1].legend(fontsize="small", loc="center left")
    legend_beneath(figure, axes[1, 0], ncols=len(PLACES), title="the torso")
    return figure


def torso_place(arrays: Arrays, kind: int, level: int, start: int) -> str:
    """Which of PLACES the torso of one fit of the paths is in."""
    at = kind, level, start
    if arrays["path_found"][at] < TORSO:
        return PLACES[3]
    if arrays["path_own"][at] > WHOLE:
        return PLACES[0]
    return PLACES[1] if arrays["path_by_limb"][at].max() > WHOLE else PLACES[2]


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "What does a sparsity penalty change?",
            penalty_answer(arrays),
            ("penalties", "parts_penalised"),
            (price_table(arrays), projection.sparsity_table(arrays)),
        )
    ]


def penalty_answer(arrays: Arrays) -> str:
    prices, names, levels = arrays["prices"], list(PENALTIES), arrays["penalties"]
    best = np.argmin(prices, axis=1)  # the places of the answers in ANSWERS are those in PLACES
    cheapest = listed([f"for {names[k]}: {ANSWERS[int(np.argmin(prices[k]))]}" for k in range(len(names))])
    starts = range(arrays["path_own"].shape[2])
    counts, num_cheapest, num_fits = [], 0, 0
    for kind, name in enumerate(names):
        places = [torso_place(arrays, kind, i, k) for i in range(len(levels)) for k in starts if levels[i] > 0]
        num_cheapest, num_fits = num_cheapest + places.count(PLACES[best[kind]]), num_fits + len(places)
        each = listed([f"{place} {places.count(place)}" for place in PLACES if place in places])
        counts.append(f"{name} ({len(places)} fits): {each}")
    at = tuple(arrays["penalised_at"].tolist())
    limb, torso, with_torso, with_quarter = arrays["hoyer"].tolist()
    clean, own = arrays["sparsity_clean"], arrays["sparsity_own"]
    complete = int(np.sum((clean == TORSO) & (own > WHOLE)))
    projection = f"{complete} of {clean.size} fits have" if complete else f"None of {clean.size} fits has"
    return (
        "It chooses among the exact answers. A penalty on W alone or on H alone means nothing, for c W and H / c fit "
        "as well and cost less; so each factor gets one, l1 or l2, with the same weight λ. As λ goes to 0, the "
        f"solution is the cheapest of the exact answers. Of the three that were made it is (first table) {cheapest}. "
        "On the limbs W holds the torso four times over, since each limb has its share of it in all four positions; an "
        "l1 norm of W charges for that. An l1 norm of H charges for a torso of its own in every picture. On the limbs "
        "the torso is in components that are paid for anyway, and an l2 norm of W takes little for a faint one.\n\n"
        f"From random starts, with λ > 0, {num_cheapest} of {num_fits} fits end in the kind of the cheapest answer. "
        "The torso on a single limb is a local minimum of the penalty where W has l1: to move a little of it to "
        f"another component costs more at first than it saves. At rank {WIDTH}, for all λ > 0 together, the torso "
        f"ends as follows. {'; '.join(counts)}. The figure has the limbs in its upper row and the torso in its lower "
        f"row. At the largest λ, {levels[-1]:g}, a fit has {span(arrays['path_found'][:, -1])} limb parts. A small "
        "λ may not have chosen yet after this many iterations.\n\n"
        f"The second figure is the fit with the most limb parts without torso, {int(arrays['path_clean'][at])} of "
        f"{TORSO}, and with {percent(arrays['path_own'][at])} of the torso in a component of its own "
        f"({names[at[0]]}, λ = {levels[at[1]]:g}).\n\n"
        "A sparsity that is demanded, not charged for, is another way. But at the lit pixels Hoyer's measure is "
        f"{limb:.2f} for a limb part, {torso:.2f} for the torso, {with_torso:.2f} for a limb with the whole torso and "
        f"{with_quarter:.2f} for one with a quarter of it: no one level suits a limb part and the torso. The last "
        f"table projects all columns of W onto one level after each iteration. {projection} all {WIDTH} parts."
    )


def price_table(arrays: Arrays) -> Table:
    rows = [
        (name, *(f"{price:.1f}" for price in prices)) for name, prices in zip(PENALTIES, arrays["prices"], strict=True)
    ]
    return Table(("penalty", *ANSWERS), rows, "Penalty divided by λ of three exact answers, at their best scale.")
