"""Beyond: how sparse an l1 penalty makes the parts of faces, and at what loss. A study of one question, to copy."""

from dataclasses import dataclass

import numpy as np

import jnmf
from experiments import data, figures
from experiments.study import Arrays, Section, notes, tracked
from experiments.words import decided, flowing, span

TITLE = "Beyond: how sparse does a penalty make parts?"
SOURCE = "D. D. Lee and H. S. Seung 1999, the faces; P. O. Hoyer 2004, the measure of sparsity"


@dataclass(frozen=True)
class Settings:
    rank: int = 16
    num_faces: int = 300
    penalties: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)  # increasing, the first without
    num_restarts: int = 4
    num_iters: int = 100


FULL = Settings(rank=49, num_faces=2429, num_restarts=10, num_iters=500)
TINY = Settings(rank=4, num_faces=40, penalties=(0.0, 0.1, 4.0), num_restarts=2, num_iters=20)


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """For P penalties and S starts error, relative to ‖X‖, left, the parts that are not 0, and sparsity, the mean of
    Hoyer's over these: (P, S). W (P, m, r), from the first start."""
    faces, S, T = data.or_stand_in(data.cbcl, data.cbcl_like), settings.num_restarts, settings.num_iters
    X, sweeps = data.cbcl_lee_seung(faces.X[:, : settings.num_faces]), []
    for l1 in tracked(settings.penalties, "penalties", progress):  # on both factors: c W and H / c would evade one
        sweeps += [jnmf.sweep(X, [settings.rank], num_restarts=S, algorithm=jnmf.HALS(l1_W=l1, l1_H=l1), num_iters=T)]
    W, error = np.stack([sweep.members[0].W for sweep in sweeps]), np.concatenate([sweep.rmse for sweep in sweeps])
    left, hoyer = W.any(axis=2).sum(axis=2), np.asarray(jnmf.hoyer_sparsity(W, axis=2))  # 0 of a part that is 0
    found = {"left": left, "sparsity": hoyer.sum(axis=2) / np.maximum(left, 1), "W": W[:, 0]}
    found |= {"error": error * np.sqrt(X.size) / np.linalg.norm(X), "penalties": np.array(settings.penalties)}
    return {**found, "shape": np.array(faces.shape), "notes": notes(faces.note)}


def plot(arrays: Arrays) -> dict:
    W = arrays["W"] / np.maximum(arrays["W"].max(axis=1, keepdims=True), np.finfo(float).tiny)
    sheet = jnmf.plot.tiles(np.hstack(list(W)), arrays["shape"].tolist(), order="F", num_columns=W.shape[2])
    figure, ax = figures.panels(8, 3.4)
    figures.show_image(ax, sheet, sheet.shape)
    ax.set_yticks((np.arange(len(W)) + 0.5) * len(sheet) / len(W), [f"λ = {l1:g}" for l1 in arrays["penalties"]])
    return {"parts": figure}


def sections(arrays: Arrays) -> list[Section]:
    error, left, sparsity = (arrays[name] for name in ("error", "left", "sparsity"))
    k = max(np.flatnonzero((left == left.max()).all(axis=1)), default=0)  # the last with all parts from every start
    told = lambda i: f"sparsity {span(sparsity[i], '.2f')} and error {span(error[i], '.3f')}"
    verdict = decided(sparsity[k] - sparsity[0], 0, "Sparser from every start", "Less sparse", "Not surely sparser")
    answer = f"""{verdict}, as long as no part is lost: {told(k)} at λ = {arrays["penalties"][k]:g}, against {told(0)}
        without (l1 on W and H; Hoyer's sparsity, mean of the parts; error relative to ‖X‖). At the largest λ,
        {span(left[-1])} of {left.max()} parts are left: {told(-1)}. The figure has a row for each λ."""
    return [Section("How sparse does an l1 penalty make the parts of faces?", flowing(answer), ("parts",))]
