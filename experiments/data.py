"""The data sets: real files read, generators, and what stands in for a missing file. Nothing is loaded at import.

Each loader looks for its file as `fetch` says and raises `DataMissing` or `DataDamaged`. Where a study can do without
the real data, `or_stand_in(mnist_test, digits)` gives the second, with a note that says so.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from scipy import sparse

from experiments.downloads import FILES, DataDamaged, DataMissing, File, fetch, read_arrays, read_idx  # noqa: F401


class Matrix(NamedTuple):
    """A matrix X. Here and below, `note` is "" for real data, else what these are and, from `or_stand_in`, why."""

    X: np.ndarray
    note: str = ""


class Images(NamedTuple):
    """Images as columns: X (pixels, N) float64; column j is the image `X[:, j].reshape(shape, order=order)`."""

    X: np.ndarray
    labels: np.ndarray | None  # (N,) int
    shape: tuple[int, int]
    order: Literal["C", "F"]
    note: str = ""


class Expression(NamedTuple):
    """Gene expression: X (genes, samples) float64 ≥ 0, the names of both, and the subtype of each sample, a string."""

    X: np.ndarray
    genes: np.ndarray
    samples: np.ndarray
    subtypes: np.ndarray
    note: str = ""


class Documents(NamedTuple):
    """Word counts: X (documents, terms) float64, compressed rows; document i is of `collections[labels[i]]`."""

    X: sparse.csr_array
    terms: np.ndarray
    labels: np.ndarray  # (documents,) int
    collections: np.ndarray
    note: str = ""


class Swimmer(NamedTuple):
    """X (220, 256) of 0 and 1, images as columns, and the true parts (220, 17): 16 limb positions, then the torso."""

    X: np.ndarray
    parts: np.ndarray
    shape: tuple[int, int]
    order: Literal["C", "F"]


Noted = TypeVar("Noted", Matrix, Images, Expression, Documents)


def or_stand_in(load: Callable[[], Noted], stand_in: Callable[[], Noted]) -> Noted:
    """load(), or where its file is missing stand_in(), with what to do in its note. A damaged file stays an error."""
    try:
        return load()
    except DataMissing as error:
        found = stand_in()
        return found._replace(note=f"{found.note} They stand in for data that are not here. {error.remedy or error}")


# Real data


def nmfdata() -> np.ndarray:
    """The data of A. H. Williams' NMF exercises: X (150, 105) float64, rank 3 plus noise, a third of it negative."""
    return np.loadtxt(fetch("nmfdata.txt"))


def williams_matrix() -> Matrix:
    """`nmfdata()` in the form that `or_stand_in` takes."""
    return Matrix(nmfdata())


def mnist_train() -> Images:
    """The first 1000 training images of MNIST: X (784, 1000) in [0, 1]."""
    file = read_arrays(fetch("mnist_train_first1000.npz"))
    return Images(file["X"].T / 255, file["y"].astype(int), (28, 28), "C")


def mnist_test() -> Images:
    """The test images of MNIST: X (784, 10000) in [0, 1]."""
    images, labels = (read_idx(fetch(f"t10k-{name}-ubyte.gz")) for name in ("images-idx3", "labels-idx1"))
    return Images(images.reshape(len(images), -1).T / 255, labels.astype(int), (28, 28), "C")


def cbcl() -> Images:
    """The CBCL faces as they were published: X (361, 2429) of whole numbers 0 … 255, dark to light."""
    return Images(read_arrays(fetch("cbcl_faces.npz"))["X"].astype(float), None, (19, 19), "F")


def cbcl_book(P: np.ndarray) -> np.ndarray:
    """The form of the book, inverted and never 0: (256 − P)/256, P (pixels, N) in 0 … 255."""
    return (256 - P) / 256


def cbcl_lee_seung(P: np.ndarray) -> np.ndarray:
    """The form of Lee and Seung: each image to mean and standard deviation ¼, cut to [0, 1], in 255 levels."""
    standard = (P - P.mean(0)) / P.std(0, ddof=1)
    return np.floor(255 * np.clip(0.25 + 0.25 * standard, 0, 1)) / 255


def olivetti() -> Images:
    """The AT&T faces: X (4096, 400) in [0, 242/255]; labels are the 40 people, ten images each."""
    X = read_arrays(fetch("olivetti.npz"))["X"] / 255
    return Images(X, np.arange(400) // 10, (64, 64), "F")


def all_aml() -> Expression:
    """The leukemia samples of Brunet et al. 2004: X (5000, 38), subtypes ALL-B, ALL-T and AML."""
    file = read_arrays(fetch("all_aml.npz"))
    subtypes = [
        "AML" if name.startswith("AML") else f"ALL-{name.rpartition('_')[2][0]}" for name in file["samples"].tolist()
    ]
    return Expression(file["X"].astype(float), file["genes"], file["samples"], np.array(subtypes))


def classic4() -> Documents:
    """The abstracts of CACM, CISI, CRAN and MED: X (7094, 5896) counts of stemmed terms."""
    file = read_arrays(fetch("classic4.npz"))
    parts = file["data"].astype(float), file["indices"].astype(np.int32), file["indptr"]
    X = sparse.csr_array(parts, shape=tuple(file["shape"].tolist()))
    return Documents(X, file["terms"], file["y"].astype(int), file["classes"])


# Generated


class Synthetic(NamedTuple):
    """V (m, n) = [W H + noise]₊ with the factors it was made from."""

    V: np.ndarray
    W: np.ndarray
    H: np.ndarray


def generate_dataset_NMF(noise_level: float) -> Synthetic:
    """The lab's synthetic data: V = [W H + noise_level · N]₊, V (200, 100), W (200, 25), H (25, 100).

    The entries of W and H are half-normal, |z| with z ~ N(0, 1), those of N are N(0, 1). They are drawn in the order
    W, H, N by NumPy's legacy generator with seed 2026, so that W and H are the same bits everywhere and at every level.
    """
    if not 0 <= noise_level < np.inf:
        raise ValueError(f"noise_level: expected a finite number of at least 0, got {noise_level!r}")
    draw = np.random.RandomState(2026)
    W = np.abs(draw.randn(200, 25))
    H = np.abs(draw.randn(25, 100))
    V = np.maximum(W @ H + noise_level * draw.randn(200, 100), 0)
    return Synthetic(V, W, H)


def swimmer() -> Swimmer:
    """Donoho and Stodden's swimmer: a torso of 14 pixels and four limbs of 3, each in one of four positions.

    The limbs are left arm, right arm, left leg, right leg; image j has the positions that are the digits of j in base
    4. Parts come in the same order, four positions a limb. X has rank 13, not 17: a limb is always in one position.
    """
    shape, joints = (20, 11), ((5, 4, -1, -1), (5, 6, -1, 1), (14, 4, 1, -1), (14, 6, 1, 1))
    parts = np.zeros((*shape, 17))
    parts[5:15, 5, 16] = parts[[5, 5, 14, 14], [4, 6, 4, 6], 16] = 1
    for limb, (row, column, along, out) in enumerate(joints):
        for position, (down, right) in enumerate(((along, 0), (along, out), (0, out), (-along, out))):
            for step in (1, 2, 3):
                parts[row + step * down, column + step * right, 4 * limb + position] = 1
    parts = parts.reshape(220, 17, order="F")
    chosen = np.zeros((17, 256))
    chosen[16] = 1
    for j, digits_of_j in enumerate(product(range(4), repeat=4)):
        chosen[4 * np.arange(4) + digits_of_j, j] = 1
    return Swimmer(parts @ chosen, parts, shape, "F")


# Stand-ins


def signed_rank_3(seed: int = 0, in_order: bool = False) -> Matrix:
    """X (150, 105) like the exercises': planted blocks of 50 rows each on 50, 50 and 5 columns, noise of sd 0.2.

    Rows and columns are in a random order unless `in_order`.
    """
    draw = np.random.default_rng(seed)
    W = np.kron(np.eye(3), np.ones((50, 1))) * draw.uniform(0.5, 1.5, (150, 1))
    H = np.repeat(np.eye(3), (50, 50, 5), axis=1) * draw.uniform(0.5, 1.5, 105)
    X = W @ H + 0.2 * draw.standard_normal((150, 105))
    if not in_order:
        X = X[draw.permutation(150)][:, draw.permutation(105)]
    return Matrix(X, "These are generated numbers, three planted blocks plus noise of both signs.")


def digits() -> Images:
    """The handwritten digits that come with scikit-learn: X (64, 1797) in [0, 1]."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    note = "These are the digits of 8 × 8 pixels that come with scikit-learn."
    return Images(found.data.T / 16, found.target.astype(int), (8, 8), "C", note)


def cbcl_like(seed: int = 0) -> Images:
    """Drawn faces as large as those of CBCL: X (361, 500) of whole numbers 0 … 255."""
    return _drawn_faces((19, 19), 500, 1, seed)._replace(labels=None)


def olivetti_like(seed: int = 0) -> Images:
    """Drawn faces as large and as many as those of Olivetti: X (4096, 400) in [0, 1], ten images of 40 people."""
    faces = _drawn_faces((64, 64), 40, 10, seed)
    return faces._replace(X=faces.X / 255)


FACE_PARTS = {  # row, column, height and width of a patch of light, in units of half the image, from its centre
    "face": (0, 0, 0.9, 0.7),
    "forehead": (-0.65, 0, 0.2, 0.5),
    "left brow": (-0.4, -0.35, 0.07, 0.2),
    "right brow": (-0.4, 0.35, 0.07, 0.2),
    "left eye": (-0.2, -0.35, 0.1, 0.15),
    "right eye": (-0.2, 0.35, 0.1, 0.15),
    "nose": (0.1, 0, 0.25, 0.1),
    "left cheek": (0.25, -0.45, 0.2, 0.15),
    "right cheek": (0.25, 0.45, 0.2, 0.15),
    "mouth": (0.5, 0, 0.08, 0.3),
    "chin": (0.8, 0, 0.1, 0.25),
}


def _drawn_faces(shape: tuple[int, int], num_people: int, images_each: int, seed: int) -> Images:
    """Sums of FACE_PARTS with weights ≥ 0 that a person has and each image varies, rounded to 0 … 255."""
    draw = np.random.default_rng(seed)
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    parts = [
        np.exp(-(((rows - row) / height) ** 2) - ((columns - column) / width) ** 2)
        for row, column, height, width in FACE_PARTS.values()
    ]
    W = np.stack([part.ravel(order="F") for part in parts], axis=1)
    people = np.repeat(draw.gamma(2, size=(len(parts), num_people)), images_each, axis=1)
    X = W @ (people * draw.uniform(0.7, 1.3, people.shape))
    labels = np.repeat(np.arange(num_people), images_each)
    note = f"These are drawn faces, sums of {len(parts)} patches of light."
    return Images(np.rint(255 * X / X.max(0)), labels, shape, "F", note)


def planted_clusters(num_genes: int = 1000, sizes: tuple[int, ...] = (19, 8, 11), seed: int = 0) -> Expression:
    """Expression with a planted cluster of samples for each of `sizes`, in this order, as subtypes A, B, …

    The levels of genes span orders of magnitude; a sample varies each by about a third. Half of the genes are markers,
    as many for each cluster, and four times as high there.
    """
    draw = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    marker = np.arange(num_genes) // max(1, num_genes // (2 * len(sizes)))  # the cluster marked, if it is one
    X = draw.lognormal(6, 1, (num_genes, 1)) * draw.lognormal(0, 0.3, (num_genes, cluster.size))
    X *= np.where(marker[:, None] == cluster, 4, 1)
    genes = np.array([f"gene {i + 1}" for i in range(num_genes)])
    samples = np.array([f"sample {j + 1}" for j in range(cluster.size)])
    note = f"These are generated expression levels with {len(sizes)} planted clusters of samples."
    return Expression(X, genes, samples, np.array([chr(ord("A") + k) for k in cluster]), note)


TOPICS = {
    "cooking": "salt oil pepper dough butter onion oven sauce garlic bread flour pan lemon rice soup",
    "sailing": "wind sail harbour mast deck wave rudder anchor tide keel rope hull cabin crew storm",
    "music": "melody chord violin rhythm choir piano tempo song opera flute harmony drum score key band",
    "gardening": "seed soil rose compost spade lawn hedge bulb weed water mulch frost bean tulip shed",
}


def planted_topics(num_documents: int = 1000, num_terms: int = 800, seed: int = 0) -> Documents:
    """Counts of terms: each document is drawn mostly from one of TOPICS, and a little from all.

    The terms of a topic are its words, then pairs of them; term j is of topic j modulo their number. A topic is a
    distribution over all terms that puts four fifths of its weight on its own, most of that on single words.
    """
    draw, num_topics = np.random.default_rng(seed), len(TOPICS)
    words = [text.split() for text in TOPICS.values()]
    own_terms = [[*one, *(" ".join(pair) for pair in product(one, repeat=2) if pair[0] != pair[1])] for one in words]
    terms = np.array([term for alike in zip(*own_terms, strict=True) for term in alike][:num_terms])
    labels = draw.integers(num_topics, size=num_documents)
    own = np.arange(len(terms)) % num_topics == np.arange(num_topics)[:, None]
    weights = draw.uniform(0.2, 1, (num_topics, len(terms))) * np.where(np.strings.find(terms, " ") < 0, 10, 1)
    share = lambda A: A / A.sum(1, keepdims=True)
    topics = 0.8 * share(weights * own) + 0.2 * share(weights)
    mixture = 0.9 * np.eye(num_topics)[labels] + 0.1 / num_topics
    counts = draw.multinomial(20 + draw.poisson(40, num_documents), mixture @ topics)
    note = f"These are generated documents, word counts drawn from {num_topics} planted topics."
    return Documents(sparse.csr_array(counts.astype(float)), terms, labels, np.array(list(TOPICS)), note)
