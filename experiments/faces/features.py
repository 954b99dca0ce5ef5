"""The facial features that NMF finds, beside eigenfaces and prototypes."""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

import jnmf
from experiments.faces import FORMS, METHODS, of, shape_of, title_of
from experiments.faces.drawing import factorisations
from experiments.faces.methods import ENERGY, support
from experiments.study import Arrays, Section
from experiments.words import listed, percent

ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")  # the thirds of a picture


def plot(arrays: Arrays) -> dict[str, Figure]:
    book = jnmf.plot.components(of(arrays, "W", "book", "hals"), shape_of(arrays, "book"), order="F")
    return {"book": book, "lee_seung": factorisations(arrays, "lee_seung")}


def sections(arrays: Arrays) -> list[Section]:
    question = "Which facial features does NMF find, beside the eigenfaces of PCA and the prototypes of k-means?"
    return [Section(question, features_answer(arrays), ("lee_seung", "book"))]


def where(W, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Of each column of W (m, r), a picture, with its squares as weights of the pixels: the centre of mass (r, 2), down
    and to the right from 0 to 1, and the extent (r, 2), four standard deviations, as a share of height and width."""
    weights = (W**2 / np.sum(W**2, axis=0)).reshape(*shape, -1, order="F")
    down, right = ((np.arange(size) + 0.5) / size for size in shape)
    mean = lambda f: np.stack([f(down) @ weights.sum(axis=1), f(right) @ weights.sum(axis=0)], axis=1)
    centre = mean(lambda x: x)
    return centre, 4 * np.sqrt(np.maximum(mean(np.square) - centre**2, 0))


def places(arrays: Arrays, form: str, method: str) -> str:
    """In which thirds of the picture the components of a method lie, and how far the largest and the smallest reach."""
    W = of(arrays, "W", form, method)
    W = W[:, W.any(axis=0)]
    centre, extent = where(W, shape_of(arrays, form))
    thirds = [f"{ROWS[i]} {COLUMNS[j]}" for i, j in np.minimum((3 * centre).astype(int), 2)]
    counts = listed([f"{count} {third}" for third, count in Counter(thirds).most_common()])
    by_size = np.argsort(-support(W), kind="stable")
    reach = lambda k: f"{thirds[k]}, {percent(extent[k, 0])} of the height and {percent(extent[k, 1])} of the width"
    wide, tall = (int(np.sum(longer)) for longer in (extent[:, 1] > extent[:, 0], extent[:, 1] < extent[:, 0]))
    return (
        f"Of the components of {METHODS[method][0]}, {counts} lie in these thirds of the picture, by their centre of "
        f"mass. {wide} are wider than tall and {tall} taller than wide. The one with the largest support is "
        f"{reach(by_size[0])}; the one with the smallest {reach(by_size[-1])}"
    )


def features_answer(arrays: Arrays) -> str:
    form, rank = "lee_seung", arrays["h_book"].shape[1]
    pixels = arrays["sizes"][list(FORMS).index(form), 0]
    typical = {method: float(np.median(of(arrays, "support", form, method))) for method in FORMS[form]}
    share = lambda method: f"{percent(typical[method])} of the pixels ({typical[method] * pixels:.0f})"
    smaller = max(typical["kl"], typical["hals"]) < 0.5 * min(typical["vq"], typical["pca"])
    verdict = (
        "Parts of a face: those of the other two cover at least twice as much."
        if smaller
        else "Features that are not much more local here than those of the other two."
    )
    book = float(np.median(of(arrays, "support", "book", "hals")))
    return (
        f"{verdict} {places(arrays, form, 'kl')}. (The centre of mass has the squares of the entries as weights; the "
        "extent is four standard deviations.) Whether such a part is an eye or a mouth, the figure shows.\n\n"
        f"The first figure is that of Lee and Seung ({title_of(arrays, form)}): each method's {rank} components, "
        "and how they make one face. Black is 0. For PCA grey is 0, yellow adds and blue takes away. The columns of W "
        "are scaled so that the largest entry is 1.\n\n"
        "All methods solve X ≈ W H; they differ in what they allow. The centroids of k-means look like faces, because "
        "each picture must be one of them: a column of H has a single 1. Eigenfaces may be added and subtracted: "
        f"{percent(np.mean(of(arrays, 'W', form, 'pca') < 0))} of their entries are negative. NMF may only add.\n\n"
        f"Half of the components of NMF cover at most {share('kl')} with the KL divergence by multiplicative updates, "
        f"as in Lee and Seung, and {share('hals')} with the Frobenius norm by HALS (statement 4, "
        "proofs/hals_row_update.py: H_k ← [H_k + (C_k − G_k H)/G_kk]₊ for each row of H, G = WᵀW, C = WᵀX, then the "
        "same for the columns of W). Half of the centroids cover at "
        f"most {share('vq')}, half of the eigenfaces {share('pca')}. (A component covers the fewest pixels that hold "
        f"{percent(ENERGY)} of its sum of squares.)\n\n"
        "The second figure shows NMF (Frobenius) of the form of the book, which inverts the brightness and has no "
        f"zeros: dark features are bright in it. Half of its components cover at most {percent(book)} of the pixels."
    )
