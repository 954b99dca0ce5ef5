"""Report: parts of faces by NMF, beside eigenfaces (PCA) and prototypes (vector quantisation)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from experiments import data
from experiments.study import Arrays, computed, notes, together, tracked
from jnmf.plot import BLUE, GREEN, ORANGE, PINK

TITLE = "Report: parts of faces, against PCA and k-means"
SOURCE = (
    "report on facial feature extraction: low-rank approximation, facial features; D. D. Lee and H. S. Seung, Learning "
    "the parts of objects by non-negative matrix factorization, Nature 1999"
)

METHODS = {  # name, colour and marker
    "kl": ("NMF, KL divergence", BLUE, "o"),
    "hals": ("NMF, Frobenius", GREEN, "s"),
    "vq": ("VQ (k-means)", ORANGE, "^"),
    "pca": ("PCA", PINK, "D"),
}
FORMS = {  # Lee and Seung fit the divergence to their own form of the pictures
    "book": ("hals", "vq", "pca"),
    "lee_seung": ("kl", "hals", "vq", "pca"),
    "olivetti": ("kl", "hals", "vq", "pca"),
}
CBCL, OLIVETTI = "CBCL", "Olivetti"


@dataclass(frozen=True)
class Settings:
    rank: int = 49
    num_faces: int = 2429  # of each set, at most; Olivetti has 400
    olivetti_height: int = 24  # the pictures of 64 × 64 pixels are averaged down to this
    num_iters: int = 100
    face: int = 11  # the picture that is built up
    control_faces: int = 400
    control_iters: int = 60
    control_starts: int = 2
    shift: int = 2  # pixels by which a control moves a face, at most
    noisy_repeats: int = 20  # drawn matrices of each kind of noise
    noisy_iters: int = 300
    seed: int = 0


FULL = Settings(olivetti_height=64, num_iters=500, control_iters=500, control_starts=10, noisy_iters=500)
TINY = Settings(
    rank=9,
    num_faces=60,
    olivetti_height=12,
    num_iters=60,
    control_faces=40,
    control_iters=30,
    noisy_repeats=3,
    noisy_iters=200,
)


Pair = tuple[np.ndarray, np.ndarray]  # W (m, r), H (r, n)


class Given(NamedTuple):
    """What the questions share: the two sets of pictures in [0, 1], the three forms of them that are factorised, and
    the factors of each form by each of its methods."""

    sets: dict[str, data.Images]
    forms: dict[str, data.Images]
    fits: dict[tuple[str, str], Pair]


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """notes; names (2,), of the two sets of pictures; sizes (forms, 3): m, n, height; num_iters, face.

    For each form F of the pictures with its k methods, m pixels, n pictures and r = rank: x_F (m,), one picture, and
    the fields of `Measured` for each method: W_F (k, m, r), h_F (k, r), error_F, divergence_F (k,), hoyer_F, support_F
    (k, r), cancelled_F, active_F (k,).
    """
    sets, forms = pictures.chosen(settings)
    jobs = [(form, method) for form, each in FORMS.items() for method in each]
    fits = {
        (form, method): methods.FACTORISE[method](forms[form].X, settings)
        for form, method in tracked(jobs, "factorisations", progress)
    }
    found = {
        form: [methods.measured(forms[form].X, fits[form, method], settings.face) for method in each]
        for form, each in FORMS.items()
    }
    return {
        "notes": notes(*(f"{name}: {one.note}" for name, one in sets.items() if one.note)),
        "names": np.array([f"drawn {name}" if one.note else name for name, one in sets.items()]),
        "sizes": np.array([[*one.X.shape, one.shape[0]] for one in forms.values()]),
        "num_iters": np.array(settings.num_iters),
        "face": np.array(settings.face),
        **{f"x_{form}": one.X[:, settings.face] for form, one in forms.items()},
        **{
            f"{field}_{form}": np.array(column)
            for form, each in found.items()
            for field, column in zip(methods.Measured._fields, zip(*each, strict=True), strict=True)
        },
        **computed(QUESTIONS, settings, Given(sets, forms, fits)),
    }


def shape_of(arrays: Arrays, form: str) -> tuple[int, int]:
    m, _, height = arrays["sizes"][list(FORMS).index(form)].tolist()
    return height, m // height


def title_of(arrays: Arrays, form: str) -> str:
    cbcl, olivetti = arrays["names"].tolist()
    titles = {"book": f"{cbcl}, form of the book", "lee_seung": f"{cbcl}, form of Lee and Seung", "olivetti": olivetti}
    return titles[form]


def of(arrays: Arrays, field: str, form: str, method: str) -> Any:
    return arrays[f"{field}_{form}"][FORMS[form].index(method)]


# The questions use what stands above.
from experiments.faces import (  # noqa: E402
    build_up,
    controls,
    errors,
    features,
    low_rank,
    methods,
    noise,
    parts,
    pictures,
)

QUESTIONS = (low_rank, noise, features, build_up, errors, parts, controls)
plot, sections = together(QUESTIONS)
