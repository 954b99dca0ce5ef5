"""Whether it matters where a fit starts: starts from the SVD."""

import jax
import numpy as np

import jnmf
from experiments.study import Arrays, Section, Table
from experiments.swimmer import RANKS, TORSO, WHOLE, WIDTH, Given, Job, Settings
from experiments.swimmer.penalties import PENALTIES
from experiments.swimmer.pictures import rank_of
from experiments.swimmer.recovery import fields
from experiments.words import listed, percent, span
from jnmf import Factors
from jnmf.types import Fill

FILLS: dict[str, Fill] = {"nndsvd": "zero", "nndsvda": "mean", "nndsvdar": "random"}
FILL_PENALTY = "l1 on W, l2 on H"  # for the starts from the SVD


def jobs(X, settings: Settings) -> list[Job]:
    """For each way to fill the zeros, rank and level of the penalty the starts; at rank 16 the last component is 0."""
    penalties = [level * np.array(PENALTIES[FILL_PENALTY], float) for level in settings.fill_penalties]
    return [
        (Factors(start.W * kept, start.H * kept[:, None]), penalty)
        for fill in FILLS.values()
        for starts in [svd_starts(X, fill, settings)]
        for kept in (np.arange(WIDTH) < rank for rank in RANKS)
        for penalty in penalties
        for start in starts
    ]


def compute(settings: Settings, given: Given) -> Arrays:
    """fill_penalties (L,); fill_… (3, 2 ranks, L, K, …), the fields of Recovered for K orders of the pictures."""
    shape = len(FILLS), len(RANKS), len(settings.fill_penalties), settings.fill_repeats
    return {
        "fill_penalties": np.array(settings.fill_penalties),
        **fields("fill", *given.fits["fill"], given.problem, shape),
    }


def svd_starts(X, fill: Fill, settings: Settings) -> list[Factors]:
    """NNDSVD with 17 components, for the pictures in several orders; for rank 16 the last one is left out.

    Twelve singular values are equal: which of their vectors come out is arbitrary, and depends on the order.
    """
    draw = jax.jit(lambda X, key: jnmf.init.nndsvd(X, WIDTH, fill, key=key))
    starts = []
    for seed in range(settings.seed, settings.seed + settings.fill_repeats):
        order = np.random.default_rng(seed).permutation(X.shape[1])
        W, H = jax.device_get(draw(X[:, order], jax.random.key(seed)))
        starts.append(Factors(W, H[:, np.argsort(order)]))
    return starts


def sections(arrays: Arrays) -> list[Section]:
    return [Section("Does it matter where the fit starts?", fill_answer(arrays), tables=(fill_table(arrays),))]


def fill_answer(arrays: Arrays) -> str:
    found, clean, own, dead = (arrays[f"fill_{name}"] for name in ("found", "clean", "own", "dead"))
    names, levels, sigma = list(FILLS), arrays["fill_penalties"], arrays["singular_values"]
    complete = [
        f"{names[i]} at rank {RANKS[j]} with λ = {levels[k]:g}"
        for i, j, k in np.ndindex(*found.shape[:3])
        if np.all((found[i, j, k] == TORSO) & (clean[i, j, k] == TORSO) & (own[i, j, k] > WHOLE))
    ]
    lost = bool(np.any(found < TORSO))
    equal = int(np.sum(np.abs(sigma - sigma[1]) < 1e-10 * sigma[0]))
    verdict = (
        f"All {WIDTH} parts come out, in every order of the pictures, from {listed(complete)}. NNDSVD starts its first "
        "component near the mean picture, in which the torso is brightest: the torso has a component from the start."
        if complete
        else f"None of them gives all {WIDTH} parts in every order of the pictures."
    )
    return (
        f"{'Yes' if np.ptp(found) else 'No'}: from the starts of the table a fit finds {span(found)} of the {TORSO} "
        "limb parts.\n\n"
        f"NNDSVD starts from the positive parts of singular vectors, and X has {rank_of(sigma)} of them that are not "
        f"null. With the fill of zeros (nndsvd), {span(dead[0, 1, 0])} of {WIDTH} components are zero at the start "
        "and at the end. The mean (nndsvda) or small random numbers (nndsvdar) instead of the zeros give them "
        f"something to begin with. {equal} singular values are equal, so which vectors come out depends on the order "
        f"of the pictures. The table has several orders, without a penalty and with small ones ({FILL_PENALTY}). "
        f"{verdict}\n\n"
        f"The share of the torso that has a component of its own is {percent(own)} in these fits"
        + (f", and {np.sum(found < TORSO)} of the {found.size} lose limb parts." if lost else ".")
    )


def fill_table(arrays: Arrays) -> Table:
    rows = []
    for i, name in enumerate(FILLS):
        for j, rank in enumerate(RANKS):
            for k, penalty in enumerate(arrays["fill_penalties"]):
                at = i, j, k
                rows.append(
                    (
                        name,
                        str(rank),
                        f"{penalty:g}",
                        span(arrays["fill_found"][at]),
                        span(arrays["fill_clean"][at]),
                        percent(arrays["fill_own"][at]),
                        span(arrays["fill_dead"][at] - (WIDTH - rank)),
                        span(arrays["fill_error"][at], ".3f"),
                    )
                )
    return Table(
        ("start", "rank", "λ", "limb parts found", "without torso", "torso on its own", "dead", "relative error"),
        rows,
        f"Least to largest of {arrays['fill_found'].shape[3]} orders of the pictures.",
    )
