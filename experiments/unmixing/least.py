"""Whether the truth is what has the least volume: where it is not, no optimiser would find it."""

import numpy as np

from experiments.study import Arrays, Section, Table
from experiments.unmixing import STARTS, VOLUME, Given, Settings, farthest
from experiments.unmixing.methods import NAMES
from experiments.words import flowing, listed

SAME = 0.02  # of the volume


def compute(settings: Settings, given: Given) -> Arrays:
    """volume (S, P, N, D): that of the spectra of minimum volume, over the true ones'."""
    return {"volume": volume(given.found[VOLUME][..., -1, :, :]) / volume(given.spectra)}


def volume(W) -> np.ndarray:
    """√det WᵀW of W (…, m, r)."""
    return np.prod(np.linalg.svd(W, compute_uv=False), axis=-1)


def sections(arrays: Arrays) -> list[Section]:
    found = arrays["volume"][:, :, 0]  # (S, P, D)
    angle = farthest(arrays["angle"])[NAMES.index(VOLUME), :, :, 0]
    some = lambda is_so: listed([f"{p:g}" for p, each in zip(arrays["purities"], is_so, strict=True) if each])
    smaller = np.all(np.min(found, axis=0) < 1 - SAME, axis=1)
    larger = np.all(np.min(found, axis=0) > 1 + SAME, axis=1)
    answer = f"""In all scenes it is smaller than the truth, by more than {100 * SAME:g} %, at these purities:
        {some(smaller)}. There the truth is not what has the least volume, and a better optimiser would not come nearer.
        Larger in all scenes, which a better optimum might correct: {some(larger)}. This is the volume √det WᵀW of the
        spectra that {VOLUME} finds, the smaller one of both starts, over that of the true ones, without noise. The last
        weight of the volume is not zero, and the sums are only near one, so that some volume is paid for with fit."""
    rows = [
        (f"{p:g}", *(f"{np.median(found[i, j]):.3f}" for i in range(len(STARTS))), f"{angle[:, j].min():.2f}")
        for j, p in enumerate(arrays["purities"])
    ]
    columns = ("purity", *(f"volume, {start} start" for start in STARTS), "largest angle, the nearer start")
    table = Table(columns, rows, "Over the volume of the true spectra; medians of the scenes.")
    return [Section("Is the truth the least volume?", flowing(answer), (), (table,))]
