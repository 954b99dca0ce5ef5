"""What sums to one change, and a small volume: they charge for a torso on the limbs."""

from functools import partial

import jax
import numpy as np

import jnmf
from experiments.study import Arrays, Section, Table
from experiments.swimmer import INNER, TORSO, WHOLE, Given, Settings
from experiments.swimmer.recovery import fields
from experiments.words import percent
from jnmf import Factors, terms


def compute(settings: Settings, given: Given) -> Arrays:
    """volumes (V,); volume_… (V, P, …), the fields of Recovered at rank 17."""
    starts = given.random[: settings.volume_restarts]
    W, H = (np.stack(A) for A in zip(*starts, strict=True))
    found = [small(given.problem.X, W, H, volume, settings.num_iters) for volume in settings.volumes]
    W, H = (np.concatenate(A) for A in zip(*found, strict=True))
    shape = len(settings.volumes), len(starts)
    return {"volumes": np.array(settings.volumes), **fields("volume", W, H, given.problem, shape)}


@partial(jax.jit, static_argnames="num_iters")
def small(X, W, H, volume, num_iters: int) -> Factors:
    """Starts W (S, m, r), H (S, r, n) -> the factors after so many iterations of HALS: the components, rows of H, of
    small volume, and the rows of W pulled to a sum of one."""
    algorithm = jnmf.HALS(inner=INNER, on_H=terms.MinimumVolume(volume), on_W=terms.SumToOne(1.0))
    one = lambda W, H: jnmf.run(X, Factors(W, H), algorithm, num_iters=num_iters, record=None)[0]
    return jax.vmap(one)(W, H)


def complete(arrays: Arrays) -> np.ndarray:
    """(V, P): whether a fit has all 17 parts, each a component of its own."""
    return (arrays["volume_clean"] == TORSO) & (arrays["volume_own"] > WHOLE)


def plot(arrays: Arrays) -> dict:
    return {}


def sections(arrays: Arrays) -> list[Section]:
    counts, num = complete(arrays).sum(axis=1), complete(arrays).shape[1]
    best = int(np.argmax(counts))
    plain = f"With λ = 0, the sums alone, {counts[0]} of {num} starts end with all parts, each a component of its own"
    if counts[best] > counts[0]:
        with_volume = f"; with a volume of λ = {arrays['volumes'][best]:g}, {counts[best]} do."
    else:
        with_volume = "; no volume that was tried adds one."
    return [
        Section(
            "Do sums to one, or a small volume, find the torso?",
            "In the answer that is meant each pixel belongs to one part, so that rows of W sum to one where H is 0 or "
            "1. Where the torso is on the limbs, spread or on one of them, it is in all four positions of a limb, and "
            "the rows of its pixels sum to four. So SumToOne on W, with weight 1, costs nothing in the answer that is "
            "meant and something in the others: with it, the torso is identifiable. MinimumVolume on H, "
            "λ/2 log det(I + HHᵀ/δ) with δ = 0.1, may be added. "
            f"{plain}{with_volume} The others end in local minima. A larger λ gives up parts for volume.",
            (),
            (table(arrays),),
        )
    ]


def table(arrays: Arrays) -> Table:
    rows = [
        (
            f"{volume:g}",
            f"{int(all_parts.sum())} of {all_parts.size}",
            f"{arrays['volume_found'][i].mean():.1f}",
            f"{arrays['volume_clean'][i].mean():.1f}",
            percent(arrays["volume_own"][i].mean()),
            f"{arrays['volume_error'][i].mean():.1e}",
        )
        for i, (volume, all_parts) in enumerate(zip(arrays["volumes"], complete(arrays), strict=True))
    ]
    heads = ("λ", "starts with all parts", "limb parts found", "without torso", "torso of its own", "relative error")
    return Table(heads, rows, "Means over the starts, at rank 17; the first column of numbers counts starts.")
