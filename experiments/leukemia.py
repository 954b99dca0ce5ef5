"""Beyond: the study of Brunet et al. on leukaemia samples. Restarts of KL-NMF vote on which samples belong together.

A restart puts each sample, a column of X, into the cluster of its largest entry of H. How often the restarts put two
samples together is the consensus matrix, and how near it is to 0 and 1 says how far a rank can be trusted.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table
from jnmf import MU, Factors

TITLE = "Beyond: subtypes of leukaemia by consensus"
SOURCE = "Brunet, Tamayo, Golub and Mesirov 2004: metagenes and molecular pattern discovery, on the ALL/AML samples"


@dataclass(frozen=True)
class Settings:
    ranks: tuple[int, ...] = (2, 3, 4, 5)
    num_restarts: int = 10
    num_iters: int = 200
    watched: int = 3  # the restarts of each rank whose assignments are followed, the first ones
    every: int = 10  # iterations between two looks
    seed: int = 0


FULL = Settings(num_restarts=50, num_iters=1000, watched=10)
TINY = Settings(ranks=(3, 4), num_restarts=4, num_iters=60, watched=2)

MEASURES = ("cophenetic", "dispersion", "silhouette")
VISIBLE = 0.0005  # a smaller fall of a measure is none with the three decimals it is told in
# Computed apart from this library, with NumPy and SciPy, from 50 restarts: cophenetic, dispersion and best D by rank,
# and the clusters at k = 3.
REFERENCE = {
    2: (1.0, 0.9960, 16272282.1),
    3: (0.9918, 0.9476, 13806533.0),
    4: (0.9882, 0.9452, 12453723.2),
    5: (0.9563, 0.8751, 11338478.6),
}
REFERENCE_CLUSTERS = ({"ALL-B": 17}, {"ALL-T": 8, "ALL-B": 1}, {"AML": 11, "ALL-B": 1})


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """Over R ranks and n samples.

    matrices (R, n, n), order and labels (R, n), the measures (R,) as in `jnmf.consensus`, with H as it comes; those
    with the rows of H at unit length have names that end in _scaled. loss (R, S). assigned (R, watched, looks, n): the
    cluster of each sample at the iterations looks. memory (2,): bytes that one update of H and W needs beside X, W and
    H, for KL and for the Frobenius loss, at the largest rank.
    """
    if settings.every > settings.num_iters:
        raise ValueError(f"every: expected at most num_iters = {settings.num_iters}, got {settings.every}")
    expression = data.or_stand_in(data.all_aml, data.planted_clusters)
    X, ranks = jnp.asarray(expression.X), sorted(settings.ranks)
    sweep = jnmf.sweep(
        X,
        ranks,
        num_restarts=settings.num_restarts,
        algorithm=MU(beta=1.0),
        key=settings.seed,
        num_iters=settings.num_iters,
        progress=progress,
    )
    found, scaled = (jnmf.consensus(sweep, scaled=scaled) for scaled in (False, True))
    starts, num_looks = watched_starts(X, ranks, settings), settings.num_iters // settings.every
    assigned = np.asarray(assignments(X, starts, settings.every, num_looks))
    return {
        **found._asdict(),
        **{f"{name}_scaled": getattr(scaled, name) for name in ("labels", *MEASURES)},
        "loss": sweep.loss,
        "assigned": assigned.reshape(len(ranks), -1, *assigned.shape[1:]),
        "looks": settings.every * np.arange(1, num_looks + 1),
        "memory": np.array([working_memory(X, starts, MU(beta=beta)) for beta in (1.0, 2.0)]),
        "X_shape": np.array(X.shape),
        "samples": expression.samples,
        "subtypes": expression.subtypes,
        "notes": np.array([expression.note] if expression.note else [], dtype=str),
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
    """(B, num_looks, n): the component of the largest entry in each column of H, at every so-manieth iteration."""
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


# Figures


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"consensus": draw_consensus(arrays), "settling": draw_settling(arrays)}


def draw_consensus(arrays: Arrays):
    """The matrices, each in the order of its tree, above the three measures."""
    fields = ("ranks", "matrices", "order", *MEASURES)
    figure = jnmf.plot.consensus(SimpleNamespace(**{field: arrays[field] for field in fields}))
    for ax in figure.axes:  # the source calls the rank k
        ax.set_title(ax.get_title().replace("rank ", "k = "))
        ax.set_xlabel("number of clusters k" if ax.get_xlabel() else "")
    return figure


def draw_settling(arrays: Arrays):
    """How many samples are not yet where they end: the mean over the watched restarts against the iteration."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.5), layout="constrained")
    ax = figure.subplots()
    away = np.sum(arrays["assigned"] != arrays["assigned"][:, :, -1:], axis=3).mean(axis=1)
    styles = zip(*map(cycle, (jnmf.plot.COLORS, jnmf.plot.MARKERS, jnmf.plot.DASHES)), strict=True)
    for k, curve, (color, marker, dash) in zip(arrays["ranks"], away, styles, strict=False):
        style = {"color": color, "marker": marker, "linestyle": dash, "markevery": max(1, len(curve) // 10)}
        ax.plot(arrays["looks"], curve, label=f"k = {k}", markersize=5, linewidth=1.4, **style)
    ax.set(xlabel="iteration", ylabel=f"samples of {arrays['X_shape'][1]} not yet where they end (mean)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    return figure


# Answers


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "How consistent are the clusters of the restarts, for each k?",
            on_consistency(arrays),
            ("consensus",),
            (measures_table(arrays),),
        ),
        Section("Which k do the measures favour?", on_rank(arrays)),
        Section(
            "Are the clusters the known subtypes?",
            on_subtypes(arrays),
            tables=(counts_table(arrays), clusters_table(arrays)),
        ),
        Section("What does the scale of H change?", on_scale(arrays), tables=(scale_table(arrays),)),
        Section(
            "How many updates does it take until the assignments settle, and how much memory?",
            on_settling(arrays),
            ("settling",),
            (settling_table(arrays),),
        ),
    ]


def on_consistency(arrays: Arrays) -> str:
    (m, n), (_, num_restarts) = arrays["X_shape"], arrays["loss"].shape
    ranks, dispersion = arrays["ranks"], arrays["dispersion"]
    best, worst = int(np.argmax(dispersion)), int(np.argmin(dispersion))
    return (
        f"By the dispersion, which is 1 where all restarts agree, most at k = {ranks[best]} ({dispersion[best]:.3f}) "
        f"and least at k = {ranks[worst]} ({dispersion[worst]:.3f}).\n\n"
        f"X has {m} genes and {n} samples. Each of {num_restarts} restarts for each k puts a sample into the cluster "
        "of its largest entry of H. The consensus matrix says how often two samples come together. Black blocks on "
        "white mean that the restarts agree; grey entries are pairs that they disagree on."
    )


def measures_table(arrays: Arrays) -> Table:
    columns, caption = ("k", "cophenetic", "dispersion", "silhouette", "best D"), ""
    rows = [
        (str(k), *(f"{arrays[measure][i]:.4f}" for measure in MEASURES), f"{arrays['loss'][i].min():.1f}")
        for i, k in enumerate(arrays["ranks"])
    ]
    if is_real(arrays):
        columns += ("reference: cophenetic", "dispersion", "best D")
        blank = (np.nan, np.nan, np.nan)
        known = [REFERENCE.get(int(k), blank) for k in arrays["ranks"]]
        rows = [(*row, f"{a:.4f}", f"{b:.4f}", f"{D:.1f}") for row, (a, b, D) in zip(rows, known, strict=True)]
        caption = "The reference was computed apart from this library, from 50 restarts of each k."
    return Table(columns, rows, f"D is the divergence of the best restart. {caption}")


def is_real(arrays: Arrays) -> bool:
    """Whether these are the samples of the source, and no stand-in."""
    return not len(arrays["notes"])


def on_rank(arrays: Arrays) -> str:
    ranks = arrays["ranks"]
    if len(ranks) == 1:
        return "With one k there is nothing to choose."
    told, left = [], []
    for measure in MEASURES:
        values = arrays[measure]
        highest, steepest = int(np.argmax(values)), int(np.argmin(np.diff(values)))
        fall = values[steepest] - values[steepest + 1]
        if fall >= VISIBLE:
            told.append(
                f"The {measure} value is highest at k = {ranks[highest]} and falls most after k = {ranks[steepest]}, "
                f"by {fall:.3f}."
            )
            left.append(" to ".join(dict.fromkeys(str(ranks[i]) for i in sorted((highest, steepest)))))
        else:
            told.append(f"The {measure} value does not fall.")
            left.append("any")
    if set(left) == {"any"}:
        verdict = "Nothing falls here, and every k will do."
    elif len(set(left)) == 1:
        verdict = f"All three speak for k = {left[0]}."
    else:
        verdict = f"They speak for k = {joined(f'{k} ({m})' for m, k in zip(MEASURES, left, strict=True))}."
    return (
        f"{verdict} {' '.join(told)}\n\nA high value alone says little, since few clusters are easily agreed on. "
        "Brunet et al. look for the k where the cophenetic value begins to fall, which is between its highest value "
        "and its steepest fall."
    )


def compositions(labels, subtypes) -> list[dict[str, int]]:
    """How many samples of each subtype are in each cluster: the clusters in order, the most frequent subtype first."""
    return [dict(Counter(subtypes[labels == cluster].tolist()).most_common()) for cluster in np.unique(labels)]


def misplaced(labels, subtypes) -> np.ndarray:
    """(n,): whether a sample is of another subtype than most of its cluster."""
    most = np.array([next(iter(composition)) for composition in compositions(labels, subtypes)])
    return most[np.unique(labels, return_inverse=True)[1]] != subtypes


def on_subtypes(arrays: Arrays) -> str:
    subtypes, i = arrays["subtypes"], rank_of_subtypes(arrays)
    k, labels, known = arrays["ranks"][i], arrays["labels"][i], len(set(subtypes))
    wrong = misplaced(labels, subtypes)
    names = [f"{name} ({subtype})" for name, subtype in zip(arrays["samples"][wrong], subtypes[wrong], strict=True)]
    text = (
        f"The samples are of {known} subtypes, of which the factorisation was not told. At k = {k} the clusters are "
        f"{written(labels, subtypes)}. "
    )
    if names:
        text += (
            f"With each cluster standing for the subtype of most of its samples, {len(names)} of {len(subtypes)} "
            f"samples are misplaced: {joined(names)}."
        )
    else:
        text += "Each cluster is of one subtype."
    if is_real(arrays) and k == len(REFERENCE_CLUSTERS):
        counts = lambda clusters: sorted(sorted(cluster.items()) for cluster in clusters)
        same = counts(compositions(labels, subtypes)) == counts(REFERENCE_CLUSTERS)
        text += f" The reference has {'the same' if same else 'other'} counts."
    if arrays["ranks"].max() > known:
        text += " With more clusters than subtypes, some subtype has to be divided."
    return text


def written(labels, subtypes) -> str:
    """The clusters as sets: {17 ALL-B} and {8 ALL-T + 1 ALL-B}."""
    inside = (
        " + ".join(f"{count} {subtype}" for subtype, count in composition.items())
        for composition in compositions(labels, subtypes)
    )
    return joined([f"{{{one}}}" for one in inside])


def rank_of_subtypes(arrays: Arrays) -> int:
    """The index of the rank nearest to the number of subtypes."""
    return int(np.argmin(np.abs(arrays["ranks"] - len(set(arrays["subtypes"])))))


def counts_table(arrays: Arrays) -> Table:
    i = rank_of_subtypes(arrays)
    names = sorted(set(arrays["subtypes"].tolist()))
    rows = [
        (f"cluster {cluster + 1}", *(str(composition.get(name, 0)) for name in names))
        for cluster, composition in enumerate(compositions(arrays["labels"][i], arrays["subtypes"]))
    ]
    return Table(("", *names), rows, f"Samples of each subtype in the clusters at k = {arrays['ranks'][i]}.")


def clusters_table(arrays: Arrays) -> Table:
    rows, subtypes = [], arrays["subtypes"]
    for k, labels in zip(arrays["ranks"], arrays["labels"], strict=True):
        names = arrays["samples"][misplaced(labels, subtypes)] if k >= len(set(subtypes)) else ()
        rows.append((str(k), written(labels, subtypes), ", ".join(names) or "–"))
    columns = ("k", "clusters", "misplaced, where there is a cluster for each subtype")
    return Table(columns, rows, "The clusters at every k.")


def on_scale(arrays: Arrays) -> str:
    ranks, scaled = arrays["ranks"], arrays["dispersion_scaled"]
    higher, perfect = ranks[scaled > arrays["dispersion"]], ranks[scaled == 1]
    pairs = zip(arrays["labels_scaled"], arrays["labels"], strict=True)
    other = ranks[[not same_partition(a, b) for a, b in pairs]]
    text = (
        "W H does not fix the scale of a row of H: the column of W can take it up. Brunet et al. take H as it comes, "
        "in the scale of the start, and so do the answers above. With the rows of H at unit length the clusters of a "
        f"restart depend on W H alone. The dispersion is then higher at {at(higher)}"
    )
    text += f", and 1 at {at(perfect)}: there every restart finds the same clusters." if perfect.size else "."
    return text + f" The clusters of the consensus are {f'others at {at(other)}' if other.size else 'the same'}."


def at(ranks) -> str:
    return f"k = {joined(map(str, ranks))}" if len(ranks) else "no k"


def same_partition(a, b) -> bool:
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist())) == len(set(b.tolist()))


def scale_table(arrays: Arrays) -> Table:
    fields = [field for measure in MEASURES for field in (measure, f"{measure}_scaled")]
    rows = [(str(k), *(f"{arrays[field][i]:.4f}" for field in fields)) for i, k in enumerate(arrays["ranks"])]
    titles = (title for measure in MEASURES for title in (f"{measure}, H as it comes", "rows of unit length"))
    return Table(("k", *titles), rows)


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


def joined(texts) -> str:
    """a, b and c."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
