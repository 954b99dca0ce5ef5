"""What is drawn, and what the pixels must do for the spectra to be identifiable."""

import numpy as np

from experiments.study import Arrays, Section, Table
from experiments.unmixing import Given, Settings
from experiments.words import flowing, listed, span


def compute(settings: Settings, given: Given) -> Arrays:
    """shape: bands, pixels, spectra, scenes; apart (D,), degrees: the least angle between two spectra; purest
    (P, D, r), the largest abundance of each spectrum in a pixel."""
    unit = given.spectra / np.linalg.norm(given.spectra, axis=1, keepdims=True)
    cosines = np.swapaxes(unit, 1, 2) @ unit - 2 * np.eye(settings.rank)
    return {
        "shape": np.array([settings.num_bands, settings.num_pixels, settings.rank, settings.num_scenes]),
        "apart": np.degrees(np.arccos(cosines.max(axis=(1, 2)))),
        "purest": given.abundances.max(axis=-1),
    }


def threshold(arrays: Arrays) -> float:
    """The largest abundance of a point of the ball that touches the facets of the simplex: 2/r."""
    return 2 / arrays["shape"][2]


def sections(arrays: Arrays) -> list[Section]:
    m, n, r, D = arrays["shape"]
    too_low = [f"{p:g}" for p in arrays["purities"] if p < threshold(arrays)]
    answer = f"""X = W H + noise: {n} pixels of {m} bands, each a mixture of {r} spectra, the columns of W, with
        abundances that sum to one, the columns of H. A spectrum is positive in all bands and has a high bump of its
        own; the nearest two are {span(arrays["apart"], ".0f")} degrees apart, in {D} scenes. The abundances are from a
        Dirichlet distribution; those above the purity are drawn again, and at purity 1 there is a pure pixel of each
        spectrum.

        The pixels lie in the simplex of the spectra. With a pixel at each corner, the corners can be found one by one:
        that is successive projection, SPA. Without them, the simplex of least volume around the pixels is that of the
        spectra where the pixels surround the ball that touches all facets: they are then sufficiently scattered, but
        for how they touch the facets. The point of that ball nearest to a corner has the abundance 2/r =
        {threshold(arrays):g} there: pixels of a lower purity cannot surround it. Below it are, of the purities
        here: {listed(too_low)}. Plain NMF needs more than pixels that are scattered: zeros in the spectra, too,
        and these have none."""
    rows = [(f"{p:g}", span(x, ".3f")) for p, x in zip(arrays["purities"], arrays["purest"], strict=True)]
    table = Table(("purity", "largest abundance of a spectrum"), rows, "Least to largest of spectra and scenes.")
    return [Section("What is drawn, and when is it identifiable?", flowing(answer), (), (table,))]
