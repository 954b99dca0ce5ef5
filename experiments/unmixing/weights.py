"""How large the weight of the volume should be, and why it begins large."""

from typing import Any

import numpy as np

from experiments.figures import panels, plain
from experiments.study import Arrays, Section, Table
from experiments.unmixing import LEAST, STARTS, VOLUME, Given, Settings, angles, farthest
from experiments.words import flowing
from jnmf.plot import BLACK, BLUE, ORANGE


def compute(settings: Settings, given: Given) -> Arrays:
    """Of minimum volume with mixed pixels: along (V, S, N, D, r), the angles after each weight of the path; alone
    (V, D, r), those of one weight from the random start to the end, with the least noise."""
    W = given.found[VOLUME][:, settings.purities.index(settings.mixed)]  # (S, N, D, V, m, r)
    return {
        "along": angles(given.spectra, np.moveaxis(W, 3, 0)),
        "alone": angles(given.spectra, given.fixed),
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    figure, ax = panels(6, 3.4)
    weights, along, alone = arrays["weights"], farthest(arrays["along"])[:, -1], farthest(arrays["alone"])
    least, most = arrays["noises"][[0, -1]]
    for curve, label, style in (
        (along[:, 0], f"path, noise {least:g}", {"color": BLUE, "marker": "o"}),
        (along[:, -1], f"path, noise {most:g}", {"color": BLACK, "marker": "s", "ls": "-."}),
        (alone, f"one weight, noise {least:g}", {"color": ORANGE, "marker": "^", "ls": "--"}),
    ):
        ax.plot(weights, np.maximum(curve, LEAST), label=label, **style)
    ax.set(xscale="log", yscale="log", xlabel="weight λ of the volume", ylabel="largest angle, degrees")
    ax.invert_xaxis()
    plain(ax.yaxis)
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    return {"weights": figure}


def sections(arrays: Arrays) -> list[Section]:
    weights, along, alone = arrays["weights"], farthest(arrays["along"])[:, -1], farthest(arrays["alone"])
    best = [int(np.argmin(along[:, i])) for i in (0, -1)]
    only = int(np.argmin(alone))
    least, most = arrays["noises"][[0, -1]]
    gain = along[-1, 0] < alone[-1]
    verdict = (
        "the path ends nearer than as many iterations at its last weight alone"
        if gain
        else "the path ends no nearer than as many iterations at its last weight alone"
    )
    answer = f"""From a random start {verdict}: {along[-1, 0]:.1f} degrees against {alone[-1]:.1f} at λ =
        {weights[-1]:g}. The best single weight, {weights[only]:g}, gives {alone[only]:.1f}. On the path each weight
        begins where the one before, a larger one, ended: λ/2 log det(I + WᵀW/δ), δ = 0.1, first draws the
        spectra together, within the simplex of the pixels, and then lets them go as far out as the pixels need. A large
        λ at the end pays in fit for volume, and the spectra stay inside.

        With noise {least:g} the nearest point of the path is at λ = {weights[best[0]]:g}, {along[best[0], 0]:.1f}
        degrees; with noise {most:g} at λ = {weights[best[1]]:g}, {along[best[1], -1]:.1f}. All at purity
        {arrays["purities"][arrays["mixed"]]:g}."""
    rows = [
        (f"{weight:g}", *(f"{x:.2f}" for x in np.append(path, one)))
        for weight, path, one in zip(weights, along, alone, strict=True)
    ]
    columns = ("λ", *(f"path, noise {s:g}" for s in arrays["noises"]), f"one weight, noise {least:g}")
    table = Table(columns, rows, f"Largest angle, degrees, from the {STARTS[-1]} start; median of the scenes.")
    return [Section("How large a weight of the volume, and does a path help?", flowing(answer), ("weights",), (table,))]
