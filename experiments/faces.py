"""Report: parts of faces by NMF, beside eigenfaces (PCA) and prototypes (vector quantisation)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, tracked
from jnmf import Factors
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
HALS, KL = jnmf.HALS(inner=3), jnmf.MU(beta=1.0)
ENERGY = 0.9  # the support of a component is the pixels that hold this share of its sum of squares
TERMS = 6  # components of the build-up that are drawn one by one


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


# The numbers


def compute(settings: Settings, progress: bool = False) -> Arrays:
    """notes; names (2,), of the two sets of pictures; sizes (forms, 3): m, n, height; num_iters, face, shift.

    For each form F of the pictures with its k methods, m pixels, n pictures and r = rank:
    x_F (m,), one picture; W_F (k, m, r), h_F (k, r): the components, largest absolute entry 1, and its weights;
    error_F (k,), relative to ‖X‖; divergence_F (k,), NaN where the model has negative entries; hoyer_F, support_F
    (k, r); cancelled_F, active_F (k,): see `cancelled`, `active`; against_svd_F (5,): see `AgainstSVD`.

    noise_error (2, repeats, 2), likelihood_gap (2,): see `noises`; filtered (3,): see `noise_filtered`.
    controls (C,), what was done to the pictures; control_hoyer, control_support (C, starts, r); control_floor (C,).
    """
    sets, images = chosen(settings)
    jobs = [(form, method) for form, methods in FORMS.items() for method in methods]
    found: dict[str, list[Measured]] = {form: [] for form in FORMS}
    against: Arrays = {}
    for form, method in tracked(jobs, "factorisations", progress):
        X = images[form].X
        pair = FACTORISE[method](X, settings)
        found[form].append(measured(X, pair, settings.face))
        if method == "pca":
            against[f"against_svd_{form}"] = np.array(against_svd(X, *pair))
    columns = {
        f"{field}_{form}": np.array(column)
        for form, each in found.items()
        for field, column in zip(Measured._fields, zip(*each, strict=True), strict=True)
    }
    return {
        "notes": np.array([f"{name}: {one.note}" for name, one in sets.items() if one.note], dtype=str),
        "names": np.array([f"drawn {name}" if one.note else name for name, one in sets.items()]),
        "sizes": np.array([[*one.X.shape, one.shape[0]] for one in images.values()]),
        "num_iters": np.array(settings.num_iters),
        "face": np.array(settings.face),
        "shift": np.array(settings.shift),
        **{f"x_{form}": one.X[:, settings.face] for form, one in images.items()},
        **columns,
        **against,
        **noises(settings),
        "filtered": noise_filtered(images["book"].X, settings),
        **controls(sets[CBCL], sets[OLIVETTI], settings),
    }


def chosen(settings: Settings) -> tuple[dict[str, data.Images], dict[str, data.Images]]:
    """The two sets in [0, 1], and the three forms of them that are factorised."""
    cbcl = data.or_stand_in(data.cbcl, data.cbcl_like)
    olivetti = data.or_stand_in(data.olivetti, data.olivetti_like)
    P, olivetti = cbcl.X[:, : settings.num_faces], olivetti._replace(X=olivetti.X[:, : settings.num_faces])
    fewest = min(P.shape[1], olivetti.X.shape[1])
    if not 0 <= settings.face < fewest:
        raise ValueError(f"face: expected a picture from 0 to {fewest - 1}, got {settings.face}")
    if not 1 <= settings.rank <= fewest:
        raise ValueError(f"rank: expected 1 to {fewest}, as many as there are pictures, got {settings.rank}")
    if not 1 <= settings.olivetti_height <= olivetti.shape[0]:
        raise ValueError(f"olivetti_height: expected 1 to {olivetti.shape[0]}, got {settings.olivetti_height}")
    forms = {
        "book": cbcl._replace(X=data.cbcl_book(P)),
        "lee_seung": cbcl._replace(X=data.cbcl_lee_seung(P)),
        "olivetti": shrunk(olivetti, (settings.olivetti_height, settings.olivetti_height)),
    }
    return {CBCL: cbcl._replace(X=P / 255), OLIVETTI: olivetti}, forms


def shrunk(images: data.Images, shape: tuple[int, int]) -> data.Images:
    """The images with fewer pixels: each is the mean of what it covers, by area. Their sum over the area is kept."""
    height, width = (covered(*sizes) for sizes in zip(images.shape, shape, strict=True))
    pictures = images.X.T.reshape(-1, *images.shape[:: -1 if images.order == "F" else 1])
    if images.order == "F":
        pictures = pictures.transpose(0, 2, 1)
    small = np.einsum("ap,npq,bq->nab", height, pictures, width, optimize=True)
    X = np.stack([picture.ravel(order=images.order) for picture in small], axis=1)
    return images._replace(X=X, shape=shape)


def covered(before: int, after: int) -> np.ndarray:
    """(after, before): the share of new pixel i that old pixel p makes up, on a line of either; rows sum to 1."""
    edges = np.arange(after + 1) * before / after
    starts = np.maximum(edges[:-1, None], np.arange(before))
    ends = np.minimum(edges[1:, None], np.arange(before) + 1)
    return np.maximum(ends - starts, 0) * after / before


# The methods: each (X, settings) -> W (m, r), H (r, n)

Pair = tuple[np.ndarray, np.ndarray]


def nmf(X, settings: Settings, algorithm) -> Pair:
    start = jnmf.init.random(settings.seed, X, settings.rank)
    W, H = after(X, start, algorithm, num_iters=settings.num_iters)
    return np.asarray(W), np.asarray(H)


def after(X, start: Factors, algorithm, num_iters: int) -> Factors:
    """The factors after so many iterations."""
    return jnmf.run(X, start, algorithm, num_iters=num_iters, record=None)[0]


def vector_quantisation(X, settings: Settings) -> Pair:
    """k-means: W holds the means of the clusters; a column of H has a single 1, at the cluster of its picture."""
    from sklearn.cluster import KMeans

    means: Any = KMeans(settings.rank, n_init="auto", random_state=settings.seed).fit(X.T)
    return np.maximum(means.cluster_centers_.T, 0), np.eye(settings.rank)[means.labels_].T


def uncentred_pca(X, settings: Settings) -> Pair:
    """W: the principal directions of the pictures as they are, orthonormal. scikit-learn's PCA takes the mean off
    first; the pictures together with their negatives −x have the mean 0, and the same directions.
    """
    from sklearn.decomposition import PCA

    found: Any = PCA(settings.rank, svd_solver="full").fit(np.hstack([X, -X]).T)
    return found.components_.T, found.components_ @ X


FACTORISE: dict[str, Callable[[Any, Settings], Pair]] = {
    "kl": lambda X, settings: nmf(X, settings, KL),
    "hals": lambda X, settings: nmf(X, settings, HALS),
    "vq": vector_quantisation,
    "pca": uncentred_pca,
}


# What is measured of a factorisation


class Measured(NamedTuple):
    W: np.ndarray
    h: np.ndarray
    error: float
    divergence: float
    hoyer: np.ndarray
    support: np.ndarray
    cancelled: float
    active: float


def measured(X, pair: Pair, face: int) -> Measured:
    (W, H), divergence, hoyer = jax.device_get(library_measures(X, *pair))
    signed = W.min() < 0 or H.min() < 0
    return Measured(
        W,
        H[:, face],
        relative_error(X, W @ H),
        np.nan if signed else float(divergence),
        hoyer,
        support(W),
        cancelled(W, H),
        active(W, H),
    )


@jax.jit
def library_measures(X, W, H):
    """The factors with components of maximum 1, D(X, WH) in the KL divergence, Hoyer's sparsity of the components."""
    return jnmf.normalize(Factors(W, H)), jnmf.losses.kl(X, W, H), jnmf.hoyer_sparsity(W, axis=0)


def relative_error(X, Z) -> float:
    return float(np.linalg.norm(X - Z) / np.linalg.norm(X))


def support(W) -> np.ndarray:
    """(r,): the least share of the pixels that holds ENERGY of the sum of squares of a component."""
    energy = np.cumsum(np.sort(W**2, axis=0)[::-1], axis=0)
    return (np.sum(energy < ENERGY * energy[-1], axis=0) + 1) / len(W)


def cancelled(W, H) -> float:
    """The share of what the components add to and take from the pixels that cancels: 1 − Σ|WH| / Σ|W||H|."""
    return float(1 - np.abs(W @ H).sum() / (np.abs(W) @ np.abs(H)).sum())


def active(W, H) -> float:
    """How many components make up a picture: 1 / Σ p² for their shares p of Σ |W||H|, the mean over the pictures.

    r if all components contribute alike, 1 if a single one does.
    """
    shares = np.abs(W).sum(axis=0)[:, None] * np.abs(H)
    shares = shares[:, shares.sum(axis=0) > 0]
    return float(np.mean(1 / np.sum((shares / shares.sum(axis=0)) ** 2, axis=0)))


class AgainstSVD(NamedTuple):
    """The bound of the SVD at r and r + 1 components, relative to ‖X‖; ‖X_PCA − X_SVD‖ / ‖X‖; the error of PCA with the
    mean taken off, with r components; the share of negative entries among the principal directions."""

    bound: float
    next_bound: float
    deviation: float
    centred: float
    negative: float


def against_svd(X, W, H) -> AgainstSVD:
    """Of the principal directions W (m, r) and the scores H (r, n) of X."""
    rank, length = W.shape[1], np.linalg.norm(X)
    U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    truncated = (U[:, :rank] * sigma[:rank]) @ Vt[:rank]
    # PCA with the mean taken off is the truncated SVD of the pictures without their mean.
    of_pictures, of_the_rest = (
        np.asarray(jnmf.svd_rmse(A, (rank, rank + 1))) * np.sqrt(X.size) / length
        for A in (X, X - X.mean(axis=1, keepdims=True))
    )
    return AgainstSVD(
        float(of_pictures[0]),
        float(of_pictures[1]),
        float(np.linalg.norm(W @ H - truncated) / length),
        float(of_the_rest[0]),
        float(np.mean(W < 0)),
    )


# Which error measure for which noise, and what a low rank does to noise

NOISES, FITS = ("Gaussian", "Poisson"), ("½‖X − WH‖²", "KL divergence")


def noises(settings: Settings) -> Arrays:
    """noise_error (2, repeats, 2): of Gaussian and of Poisson X with a known mean Z of rank 5, how far W H is from Z
    when it is fitted by HALS and by MU for KL: √Σ v (z − (WH))² relative to √Σ v z², v the inverse of the variance.
    likelihood_gap (2,): the log-likelihood of X under two models differs by as much as ½‖X − ·‖²/σ², and as D(X‖·);
    the relative deviation, with the densities of SciPy.
    """
    from scipy import stats

    draw, m, n, rank, repeats = np.random.default_rng(settings.seed), 50, 60, 5, settings.noisy_repeats
    # Some rows are a hundred times as large as others, and so is the variance of Poisson counts; a floor keeps Gaussian
    # X positive.
    W = draw.gamma(1, size=(repeats, m, rank)) * np.geomspace(1, 100, m)[:, None]
    H = draw.gamma(1, size=(repeats, rank, n))
    W[:, :, 0], H[:, 0] = 6, 1
    Z = W @ H
    X = np.stack([np.maximum(Z + draw.standard_normal(Z.shape), 0), draw.poisson(Z)])
    starts = jax.vmap(lambda X, key: jnmf.init.random(key, X, rank))
    start = starts(X[0], jax.random.split(jax.random.key(settings.seed), repeats))
    every = [partial(after, algorithm=algorithm, num_iters=settings.noisy_iters) for algorithm in (HALS, KL)]
    estimates = np.stack([[np.matmul(*jax.vmap(fit)(jnp.asarray(A), start)) for fit in every] for A in X])
    weights = np.stack([np.ones_like(Z), 1 / Z])[:, None]
    size = lambda A: np.sqrt(np.sum(weights * A**2, axis=(3, 4)))

    models, divergence = (Z[0], Z[0] * draw.uniform(0.5, 2, Z[0].shape)), lambda A, Z: jnmf.losses.kl(A, Z, np.eye(n))
    measures = (
        (lambda A, Z: 0.5 * np.sum((A - Z) ** 2), lambda A, Z: stats.norm.logpdf(A, Z).sum()),
        (divergence, lambda A, Z: stats.poisson.logpmf(A, Z).sum()),
    )
    gaps = []
    for A, (loss, log_likelihood) in zip(X[:, 0], measures, strict=True):
        (one, other), (better, worse) = ([f(A, Z) for Z in models] for f in (loss, log_likelihood))
        gaps.append(abs((better - worse) / (other - one) - 1))
    return {
        "noise_error": np.swapaxes(size(estimates - Z) / size(np.broadcast_to(Z, (1, 1, *Z.shape))), 1, 2),
        "likelihood_gap": np.array(gaps, float),
    }


def noise_filtered(X, settings: Settings) -> np.ndarray:
    """Relative errors from X: of X with noise, of the truncated SVD of that, and of its NMF (HALS), of rank r."""
    draw = np.random.default_rng(settings.seed)
    noisy = np.maximum(X + 0.5 * X.mean() * draw.standard_normal(X.shape), 0)
    U, sigma, Vt = np.linalg.svd(noisy, full_matrices=False)
    r = settings.rank
    W, H = nmf(noisy, settings, HALS)
    return np.array([relative_error(X, Z) for Z in (noisy, (U[:, :r] * sigma[:r]) @ Vt[:r], W @ H)])


# Controls: what makes the components of one set larger than those of the other?

CBCL, OLIVETTI = "CBCL", "Olivetti"
MOVED, OTHER_FLOOR, NO_FLOOR, STRETCHED = ", moved", ", the other's floor", ", no floor", ", Lee and Seung's form"


def controls(cbcl: data.Images, olivetti: data.Images, settings: Settings) -> Arrays:
    """Both sets with as many pictures and pixels, as they are and changed, factorised by HALS from the same starts."""
    num_faces = min(settings.control_faces, cbcl.X.shape[1], olivetti.X.shape[1])
    C, A = (evenly(one.X, num_faces) for one in (cbcl, shrunk(olivetti, cbcl.shape)))
    pictures = {
        CBCL: C,
        CBCL + OTHER_FLOOR: with_floor(C, mean_floor(A)),
        CBCL + NO_FLOOR: with_floor(C, 0),
        CBCL + MOVED: moved(C, cbcl, settings),
        CBCL + MOVED + NO_FLOOR: with_floor(moved(C, cbcl, settings), 0),
        CBCL + STRETCHED: data.cbcl_lee_seung(255 * C),
        OLIVETTI: A,
        OLIVETTI + NO_FLOOR: with_floor(A, 0),
        OLIVETTI + STRETCHED: data.cbcl_lee_seung(255 * A),
    }
    X = jnp.stack(list(pictures.values()))
    keys = jax.random.split(jax.random.key(settings.seed), settings.control_starts)
    start = jax.jit(jax.vmap(lambda X: jax.vmap(lambda key: jnmf.init.random(key, X, settings.rank))(keys)))(X)

    fits = jax.vmap(jax.vmap(partial(after, algorithm=HALS, num_iters=settings.control_iters), (None, 0)))(X, start)
    W = np.asarray(fits.W)
    return {
        "controls": np.array(list(pictures)),
        "control_hoyer": np.asarray(jnmf.hoyer_sparsity(W, axis=2)),
        "control_support": np.stack([[support(one) for one in starts] for starts in W]),
        "control_floor": np.array([mean_floor(one) for one in pictures.values()]),
    }


def evenly(X, num: int):
    """`num` columns of X, evenly spaced."""
    return X[:, np.linspace(0, X.shape[1] - 1, num).astype(int)]


def moved(X, images: data.Images, settings: Settings):
    """Each picture moved by up to `shift` pixels, down and to the right or back; its edge is repeated."""
    draw, d = np.random.default_rng(settings.seed), settings.shift
    height, width = images.shape
    columns = []
    for x in X.T:
        wide = np.pad(x.reshape(images.shape, order=images.order), d, mode="edge")
        down, right = draw.integers(0, 2 * d + 1, 2)
        columns.append(wide[down : down + height, right : right + width].ravel(order=images.order))
    return np.stack(columns, axis=1)


def mean_floor(X) -> float:
    """The light that is always there: of each pixel the least value over the pictures by the mean; its mean."""
    mean = X.mean(axis=1)
    return float(np.mean(np.divide(X.min(axis=1), mean, out=np.zeros_like(mean), where=mean > 0)))


def with_floor(X, floor: float):
    """X with the least value of each pixel taken off, and so much of its mean added that its floor is `floor`."""
    X = X - X.min(axis=1, keepdims=True)
    return X + floor / (1 - floor) * X.mean(axis=1, keepdims=True)


# The figures


def plot(arrays: Arrays) -> dict[str, Figure]:
    W = arrays["W_book"][FORMS["book"].index("hals")]
    return {
        "book": jnmf.plot.components(W, shape_of(arrays, "book"), order="F"),
        "lee_seung": factorisations(arrays, "lee_seung"),
        "build_up": build_up(arrays, "lee_seung"),
        "sparsity": sparsity_figure(arrays),
        "olivetti": factorisations(arrays, "olivetti"),
        "controls": control_figure(arrays),
    }


def shape_of(arrays: Arrays, form: str) -> tuple[int, int]:
    m, _, height = arrays["sizes"][list(FORMS).index(form)].tolist()
    return height, m // height


def scale(method: str, largest: float) -> dict[str, Any]:
    """How a picture is drawn: from black, 0, to white; with signs, blue below 0, yellow above."""
    return grey(largest) | ({"cmap": "cividis", "vmin": -largest} if method == "pca" else {})


def grey(largest: float) -> dict[str, Any]:
    return {"cmap": "gray", "vmin": 0, "vmax": largest, "interpolation": "nearest"}


def mosaic(columns, shape: tuple[int, int], gap: int = 1) -> np.ndarray:
    """The columns (m, r) as pictures in a square grid, with `gap` pixels of NaN between them."""
    side = int(np.ceil(np.sqrt(columns.shape[1])))
    height, width = shape[0] + gap, shape[1] + gap
    grid = np.full((side * height - gap, side * width - gap), np.nan)
    for k, column in enumerate(columns.T):
        top, left = k // side * height, k % side * width
        grid[top : top + shape[0], left : left + shape[1]] = column.reshape(shape, order="F")
    return grid


def factorisations(arrays: Arrays, form: str) -> Figure:
    """A row for each method: its components times the weights of one picture, and the original."""
    methods, shape, x = FORMS[form], shape_of(arrays, form), arrays[f"x_{form}"]
    figure = Figure(figsize=(7.8, 2.5 * len(methods)), layout="constrained")
    grid: Any = figure.subplots(len(methods), 4, width_ratios=(1.6, 1, 1, 1), squeeze=False)
    for i, (axes, method) in enumerate(zip(grid, methods, strict=True)):
        W, h = arrays[f"W_{form}"][i], arrays[f"h_{form}"][i]
        drawn = axes[0].imshow(mosaic(W, shape), **scale(method, 1))
        figure.colorbar(drawn, ax=axes[0], location="left", shrink=0.8, ticks=[drawn.get_clim()[0], 0, 1])
        largest = np.abs(h).max()
        axes[1].imshow(mosaic(h[None, :], (1, 1), gap=0), **scale(method, largest))
        axes[2].imshow((W @ h).reshape(shape, order="F"), **grey(x.max()))
        axes[3].imshow(x.reshape(shape, order="F"), **grey(x.max()))
        axes[0].set_title(f"{METHODS[method][0]}: components", fontsize=9)
        axes[1].set_title(f"× weights\n{'±' if method == 'pca' else '0 to '}{largest:.2g}", fontsize=9)
        axes[2].set_title(f"= picture\nerror {relative_error(x, W @ h):.3f}", fontsize=9)
        axes[3].set_title("original", fontsize=9)
    for ax in grid.flat:
        ax.set(xticks=[], yticks=[])
    return figure


def build_up(arrays: Arrays, form: str) -> Figure:
    """For each method the largest terms of one picture, and below them their sum so far, on the scale of the picture; a
    method with a single term has one row, which also shows the original."""
    methods, shape, x = FORMS[form], shape_of(arrays, form), arrays[f"x_{form}"]
    counts = build_up_counts(arrays[f"h_{form}"].shape[1])
    terms = {m: sorted_terms(arrays[f"W_{form}"][i], arrays[f"h_{form}"][i]) for i, m in enumerate(methods)}
    used = {m: int(np.count_nonzero(np.any(terms[m], axis=0))) for m in methods}
    rows = [(m, kind) for m in methods for kind in (("term", "sum") if used[m] > 1 else ("term",))]
    figure = Figure(figsize=(8.6, 1.05 * len(rows)), layout="constrained")
    axes: Any = figure.subplots(len(rows), len(counts) + 1, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], frame_on=False)
    shown: dict[bool, Any] = {}

    def draw(ax, picture, method, title):
        drawn = ax.imshow(picture.reshape(shape, order="F"), **scale(method, x.max()))
        ax.set_title(title, fontsize=8)
        ax.set_frame_on(True)
        shown[method == "pca"] = drawn

    for line, (method, kind) in zip(axes, rows, strict=True):
        sums = np.cumsum(terms[method], axis=1)
        name = METHODS[method][0].replace(", ", ",\n").replace(" (", "\n(")
        line[0].set_ylabel(name if kind == "term" else "sum so far", fontsize=8)
        for ax, count in zip(line, counts, strict=False):
            if kind == "term" and count <= min(used[method], TERMS):
                draw(ax, terms[method][:, count - 1], method, f"term {count}")
            elif kind == "sum" and count < used[method]:
                draw(ax, sums[:, count - 1], "pca" if sums.min() < 0 else method, f"sum of {count}")
        if kind == "sum":
            draw(line[-1], sums[:, -1], "pca" if sums.min() < 0 else method, f"all {used[method]}")
        elif used[method] == 1:
            draw(line[-1], x, method, "original")
    for signed, drawn in shown.items():
        of = [line for line, (method, _) in zip(axes, rows, strict=True) if (method == "pca") == signed]
        figure.colorbar(drawn, ax=[ax for line in of for ax in line], label="brightness", shrink=min(1.0, 3 / len(of)))
    return figure


def build_up_counts(rank: int) -> list[int]:
    """After how many terms the sum is drawn: the first TERMS one by one, then twice as many each time."""
    doubled = [TERMS * 2**k for k in range(1, 10)]
    return [k for k in (*range(1, TERMS + 1), *doubled) if k < 0.8 * rank]


def sorted_terms(W, h) -> np.ndarray:
    """(m, r): the terms h_k w_k of a picture, the longest first."""
    terms = W * h
    return terms[:, np.argsort(-np.linalg.norm(terms, axis=0), kind="stable")]


def strips(ax, rows: list[tuple[str, np.ndarray, str, str]]) -> None:
    """For each (name, values, colour, marker) a row: a mark for each value, a bar at the median."""
    draw = np.random.default_rng(0)
    for i, (_, values, color, marker) in enumerate(rows):
        heights = i + draw.uniform(-0.25, 0.25, values.size)
        ax.plot(values, heights, linestyle="none", marker=marker, color=color, markersize=3.5, alpha=0.5, mew=0)
        ax.plot([np.median(values)] * 2, [i - 0.4, i + 0.4], color="black", linewidth=2)
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.3)


def sparsity_figure(arrays: Arrays) -> Figure:
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    axes: Any = figure.subplots(len(FORMS), 2, sharey="row", height_ratios=[len(methods) for methods in FORMS.values()])
    for pair, (form, methods) in zip(axes, FORMS.items(), strict=True):
        for ax, field, factor in zip(pair, ("hoyer", "support"), (1, 100), strict=True):
            values = factor * arrays[f"{field}_{form}"]
            strips(ax, [(METHODS[method][0], values[i], *METHODS[method][1:]) for i, method in enumerate(methods)])
        pair[0].set(xlim=(0, 1))
        pair[1].set(xlim=(0, 100))
        pair[0].set_title(title_of(arrays, form), fontsize=10, loc="left")
    axes[-1, 0].set_xlabel("Hoyer sparsity of a component\n(0: all pixels alike, 1: a single pixel)")
    axes[-1, 1].set_xlabel(f"support of a component, % of the pixels\n({100 * ENERGY:.0f} % of its sum of squares)")
    return figure


def control_figure(arrays: Arrays) -> Figure:
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    ax = figure.subplots()
    rows = []
    for name, values, floor in zip(arrays["controls"], arrays["control_hoyer"], arrays["control_floor"], strict=True):
        style = (BLUE, "o") if name.startswith(CBCL) else (ORANGE, "^")
        rows.append((f"{name} (floor {100 * floor:.0f} %)", values.ravel(), *style))
    strips(ax, rows)
    ax.set(xlim=(0, 1), xlabel="Hoyer sparsity of a component (1: one pixel); bar: median")
    return figure


# The answers


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "Linear dimensionality reduction as low-rank approximation: what is the answer without constraints?",
            low_rank_answer(arrays),
            tables=(low_rank_table(arrays),),
        ),
        Section(
            "What is a low-rank approximation for, and which error measure suits which noise?",
            uses_answer(arrays),
            tables=(noise_table(arrays),),
        ),
        Section(
            "Which facial features does NMF find, beside the eigenfaces of PCA and the prototypes of k-means?",
            features_answer(arrays),
            ("lee_seung", "book"),
        ),
        Section("How is one face built up?", build_up_answer(arrays), ("build_up",)),
        Section("How good is each approximation?", errors_answer(arrays), tables=(errors_table(arrays),)),
        Section("Why does NMF give parts?", parts_answer(arrays), ("sparsity",), (parts_table(arrays),)),
        Section(
            "Where does it not give parts?",
            holistic_answer(arrays),
            ("olivetti", "controls"),
            (control_table(arrays),),
        ),
    ]


def title_of(arrays: Arrays, form: str) -> str:
    cbcl, olivetti = arrays["names"].tolist()
    titles = {"book": f"{cbcl}, form of the book", "lee_seung": f"{cbcl}, form of Lee and Seung", "olivetti": olivetti}
    return titles[form]


def of(arrays: Arrays, field: str, form: str, method: str) -> Any:
    return arrays[f"{field}_{form}"][FORMS[form].index(method)]


def listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def low_rank_answer(arrays: Arrays) -> str:
    found = {form: AgainstSVD(*arrays[f"against_svd_{form}"]) for form in FORMS}
    rank = arrays["h_book"].shape[1]
    deviation = max(one.deviation for one in found.values())
    between = all(one.next_bound <= one.centred <= one.bound for one in found.values())
    same = (
        f"at most {deviation:.1e} of ‖X‖ apart, which is rounding"
        if deviation < 1e-9
        else f"up to {deviation:.1e} of ‖X‖ apart, which is more than rounding and should not be"
    )
    return (
        "Without constraints the answer is PCA of the pictures as they are, computed by the SVD. Linear dimensionality "
        "reduction wants r basis vectors w_1, …, w_r and for each picture x_j coordinates h_j with x_j ≈ h_1j w_1 + "
        "… + h_rj w_r = W h_j. With the pictures as columns of X, the basis vectors as columns of W and the "
        "coordinates as columns of H, column j of X ≈ W H is just this: the two problems are one, and ‖X − W H‖² = "
        "Σ_j ‖x_j − W h_j‖² (statement 6, proofs/separability.py). Among all W and H of any sign, the least ‖X − W "
        "H‖ is that of the truncated singular value decomposition, and the columns of W may be taken as the "
        "principal directions of the pictures as they are, with no mean taken off. That is PCA of the uncentred data "
        f"(derived as statement 21 in proofs/low_rank_approximation.py). With r = {rank}, scikit-learn's PCA of the "
        "pictures together with their negatives −x, whose mean is 0, and the truncated SVD give approximations that "
        f"are {same}.\n\n"
        "The usual PCA takes the mean off first. It is another approximation: the mean is one vector more, so its "
        "error lies between the bounds of r and r + 1 components. "
        f"{'It does' if between else 'It does not'} in {'each row' if between else 'every row'} of the table.\n\n"
        "What this problem knows nothing of is the sign. "
        f"{listed([percent(one.negative) for one in found.values()])} of the entries of the principal directions are "
        "negative in the three forms of the pictures, and light is not. With the constraint W, H ≥ 0 the same problem "
        "is NMF."
    )


def low_rank_table(arrays: Arrays) -> Table:
    rows = []
    for form in FORMS:
        one = AgainstSVD(*arrays[f"against_svd_{form}"])
        numbers = f"{one.bound:.6f}", f"{one.next_bound:.6f}", f"{one.centred:.6f}", f"{one.deviation:.1e}"
        rows.append((title_of(arrays, form), *numbers))
    columns = ("pictures", "SVD, r", "SVD, r + 1", "centred PCA, r", "PCA against SVD")
    return Table(columns, rows, "Relative errors ‖X − Z‖ / ‖X‖; last: ‖Z_PCA − Z_SVD‖ / ‖X‖, both without centring.")


def uses_answer(arrays: Arrays) -> str:
    m, n, _ = arrays["sizes"][0].tolist()
    r = arrays["h_book"].shape[1]
    noisy, svd, nmf_error = arrays["filtered"]
    filters = "takes noise off" if max(svd, nmf_error) < noisy else "does not take off noise here"
    nearer = [int(np.sum(own < other)) for own, other in own_and_other(arrays)]
    repeats = arrays["noise_error"].shape[1]
    told = [
        f"with {noise} noise the fit by {FITS[k]} is nearer to the mean in {nearer[k]} of {repeats} drawn matrices"
        for k, noise in enumerate(NOISES)
    ]
    # More than two standard deviations above what tossing a coin would give.
    if min(nearer) > repeats / 2 + np.sqrt(repeats):
        verdict = "Each measure is the better one for its own noise"
    else:
        verdict = "These matrices do not show each measure to be the better one for its own noise"
    return (
        "To compress, to filter noise, to compute with less, and to see structure. Compressed, W and H have "
        f"r(m + n) = {r * (m + n):,} numbers, X has m n = {m * n:,}, {m * n / (r * (m + n)):.1f} times as many; a "
        f"product of W H with a vector costs as many multiplications less. A low rank {filters}: with Gaussian noise "
        f"on the pictures their relative error is {noisy:.3f}, that of the truncated SVD of the noisy pictures "
        f"{svd:.3f}, and that of their NMF {nmf_error:.3f}, all from the pictures without noise. The structure is in "
        "the next questions.\n\n"
        "The error measure belongs to the noise. If X has independent Gaussian noise of one variance σ² around W H, "
        "−log p(X) is ½‖X − WH‖²/σ² up to a constant. If the entries are Poisson counts with mean W H, it is Σ((WH)_ij "
        "− X_ij log (WH)_ij) up to a constant, which is the KL divergence D(X‖WH). So the least Frobenius norm, or the "
        "least divergence, is the largest likelihood. With the densities of SciPy, differences of the log-likelihoods "
        f"of two models are those of these measures to {arrays['likelihood_gap'].max():.0e} of their size. "
        f"{verdict}: {listed(told)}."
    )


def own_and_other(arrays: Arrays) -> list[tuple[np.ndarray, np.ndarray]]:
    """For Gaussian and for Poisson noise: the errors (repeats,) of the fit by its own measure, and by the other."""
    gaussian, poisson = arrays["noise_error"]
    return [(gaussian[:, 0], gaussian[:, 1]), (poisson[:, 1], poisson[:, 0])]


def noise_table(arrays: Arrays) -> Table:
    rows = [
        (noise, *(f"{np.median(error):.4f} ({error.min():.4f} to {error.max():.4f})" for error in errors.T))
        for noise, errors in zip(NOISES, arrays["noise_error"], strict=True)
    ]
    return Table(
        ("noise", *(f"fitted by {fit}" for fit in FITS)),
        rows,
        "Relative distance of W H from the known mean, each entry weighted by 1/variance: median, least and largest.",
    )


ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")  # the thirds of a picture


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


def build_up_answer(arrays: Arrays) -> str:
    form = "lee_seung"
    x, lines = arrays[f"x_{form}"], []
    for method in FORMS[form]:
        terms = sorted_terms(of(arrays, "W", form, method), of(arrays, "h", form, method))
        sums = np.hstack([np.zeros((len(x), 1)), np.cumsum(terms, axis=1)])
        errors = np.linalg.norm(sums - x[:, None], axis=0)
        near = int(np.argmax(errors <= errors[-1] + 0.1 * (errors[0] - errors[-1])))
        negative = "none" if terms.min() >= 0 else percent(float(np.mean(terms[:, np.any(terms, axis=0)] < 0)))
        lines.append(f"{METHODS[method][0]} {near} term{'s' * (near > 1)}, {negative} of the entries negative")
    return (
        "As a sum of terms, weight times component. To come from the error without any to within a tenth of that of "
        f"all takes {'; '.join(lines)}.\n\n"
        f"The picture is number {int(arrays['face'])} of {title_of(arrays, form)}. The figure shows for each method "
        "the largest terms one by one in the upper row, and their sum so far in the lower row, all on the scale of the "
        "picture.\n\n"
        "In NMF the sum only grows, so a term must be something that is in the picture. In PCA a later term may take "
        "away what an earlier one added, so no single term has to be in the picture. In k-means there is one term, the "
        "whole face."
    )


def errors_answer(arrays: Arrays) -> str:
    paragraphs = []
    for form, methods in FORMS.items():
        error = dict(zip(methods, arrays[f"error_{form}"].tolist(), strict=True))
        order = sorted(error, key=error.__getitem__)
        ranked = listed([f"{METHODS[method][0]} {error[method]:.4f}" for method in order])
        above = error["hals"] / AgainstSVD(*arrays[f"against_svd_{form}"]).bound - 1
        paragraphs.append(
            f"{title_of(arrays, form)}, relative error from the least to the largest: {ranked}. NMF (Frobenius) is "
            f"{percent(above)} above the bound of the SVD."
        )
    kl, hals = (of(arrays, "divergence", "lee_seung", method) for method in ("kl", "hals"))
    other = f"{hals:.1f}" if np.isfinite(hals) else "infinite (its model is 0 at pixels where X is not)"
    unfinished = " After these iterations the first is not below the second." if kl > hals else ""
    return (
        "\n\n".join(paragraphs) + "\n\n"
        "PCA has the error of the bound, below which no factorisation of this rank can come. The constraints of NMF "
        "and of k-means, which is a factorisation with a single 1 in each column of H, cost the rest. NMF had "
        f"{int(arrays['num_iters'])} iterations.\n\n"
        f"The two NMFs minimise different losses. Of {title_of(arrays, 'lee_seung')}, the KL divergence is {kl:.1f} "
        f"for the one that minimises it, and {other} for the one that minimises the Frobenius norm.{unfinished}"
    )


def errors_table(arrays: Arrays) -> Table:
    rows = []
    for form, methods in FORMS.items():
        rows.append(
            (title_of(arrays, form), "SVD, the bound", f"{AgainstSVD(*arrays[f'against_svd_{form}']).bound:.6f}", "")
        )
        for i, method in enumerate(methods):
            divergence = arrays[f"divergence_{form}"][i]
            shown = "" if np.isnan(divergence) else "∞" if np.isinf(divergence) else f"{divergence:.1f}"
            rows.append(("", METHODS[method][0], f"{arrays[f'error_{form}'][i]:.6f}", shown))
    caption = f"{int(arrays['num_iters'])} iterations of NMF. The divergence is for models without negative entries."
    return Table(("pictures", "method", "relative error", "KL divergence"), rows, caption)


def parts_answer(arrays: Arrays) -> str:
    form = "lee_seung"
    value = {
        field: {method: float(np.median(of(arrays, field, form, method))) for method in FORMS[form]}
        for field in ("cancelled", "active", "hoyer")
    }
    support_of = {method: float(np.median(of(arrays, "support", form, method))) for method in FORMS[form]}
    nothing = max(value["cancelled"][method] for method in ("kl", "hals", "vq")) < 1e-9
    by_sparsity = sorted(value["hoyer"].items(), key=lambda item: -item[1])
    ranked = listed([f"{METHODS[method][0]} {hoyer:.2f}" for method, hoyer in by_sparsity])
    active = value["active"]
    sparsest, smallest = by_sparsity[0][0], min(support_of, key=lambda method: support_of[method])
    if {sparsest, smallest} <= {"kl", "hals"}:
        verdict = "Because its terms cannot cancel"
    elif sparsest in ("kl", "hals") or smallest in ("kl", "hals"):
        verdict = "Here only one of the two measures has NMF first"
    else:
        verdict = "Here it does not: another method has the sparser and smaller components"
    return (
        f"{verdict}. From the sparsest on, by the median of Hoyer's measure: {ranked}. The smallest components, by "
        f"their median support, are those of {METHODS[smallest][0]}, {percent(support_of[smallest])} of the pixels "
        f"({title_of(arrays, form)}). (Hoyer's sparsity is 0 if all pixels are alike and 1 for a single pixel; the "
        f"support is the least share of the pixels that holds {percent(ENERGY)} of the sum of squares.)\n\n"
        "Of all the brightness that the components of PCA add to the pictures and take from them, "
        f"{percent(value['cancelled']['pca'])} cancels; of that of NMF and k-means "
        f"{'nothing does' if nothing else 'some does too, which should not be'}. The usual explanation of parts is "
        "this: where a picture is dark, every component that is bright there must have weight 0, so that a component "
        "as large as a face fits only faces that are bright wherever it is.\n\n"
        f"In a picture {active['kl']:.0f} (KL) and {active['hals']:.0f} (Frobenius) components take part, against "
        f"{active['vq']:.0f} in k-means, where no two may, and {active['pca']:.0f} in PCA. (This is the effective "
        "number, 1/Σp² for their shares p of the brightness.)"
    )


def parts_table(arrays: Arrays) -> Table:
    rows = []
    for form, methods in FORMS.items():
        for i, method in enumerate(methods):
            numbers = (
                f"{np.median(arrays[f'hoyer_{form}'][i]):.3f}",
                f"{100 * np.median(arrays[f'support_{form}'][i]):.1f} %",
                f"{arrays[f'active_{form}'][i]:.1f}",
                f"{100 * abs(arrays[f'cancelled_{form}'][i]):.1f} %",
            )
            rows.append((title_of(arrays, form) if i == 0 else "", METHODS[method][0], *numbers))
    return Table(
        ("pictures", "method", "Hoyer sparsity", "support", "components a picture", "cancels"),
        rows,
        "Medians over the components; effective number of components in a picture, mean over the pictures.",
    )


def holistic_answer(arrays: Arrays) -> str:
    cbcl, olivetti = arrays["names"].tolist()
    hoyer = {
        name: float(np.median(each)) for name, each in zip(arrays["controls"], arrays["control_hoyer"], strict=True)
    }
    cover = {
        name: float(np.median(each)) for name, each in zip(arrays["controls"], arrays["control_support"], strict=True)
    }
    floor = dict(zip(arrays["controls"], arrays["control_floor"].tolist(), strict=True))
    noise = float(np.ptp(np.median(arrays["control_hoyer"], axis=2), axis=1).max())  # from start to start
    gap = hoyer[CBCL] - hoyer[OLIVETTI]
    # The gap where both have the same floor: that of Olivetti, and none.
    left = np.array([hoyer[CBCL + OTHER_FLOOR] - hoyer[OLIVETTI], hoyer[CBCL + NO_FLOOR] - hoyer[OLIVETTI + NO_FLOOR]])

    def compared(before: str, after: str) -> str:
        """What a change to the pictures did to the sparsity."""
        change = hoyer[after] - hoyer[before]
        done = "leaves the components as sparse as they were" if abs(change) <= noise else "makes the components "
        done += "" if abs(change) <= noise else "sparser" if change > 0 else "less sparse"
        return f"{done} ({hoyer[before]:.2f} → {hoyer[after]:.2f})"

    first = f"The components of {olivetti} are{'' if gap > noise else ' not'} less sparse than those of {cbcl}"
    explained = gap - left.mean()
    if gap <= noise:
        verdict = ""
    elif explained <= noise:
        verdict = " That is no more than the start changes: these controls do not show the floor to be a reason."
    else:
        part = "larger" if explained > gap / 2 else "smaller"
        verdict = f" So the floor is the {part} part of the reason. What else there is, these controls do not tell."
    aligned = "does" if hoyer[CBCL + MOVED + NO_FLOOR] < hoyer[CBCL + NO_FLOOR] - noise else "does not"
    stretched = max(hoyer[name + STRETCHED] - hoyer[name] for name in (CBCL, OLIVETTI)) > noise
    lesson = " Whether NMF gives parts depends on what is done to the pictures before it." if stretched else ""
    return (
        f"{first}: with as many pictures and pixels of both, the median Hoyer sparsity is {hoyer[OLIVETTI]:.2f} "
        f"against {hoyer[CBCL]:.2f}, and half of the components cover at most {percent(cover[OLIVETTI])} of the pixels "
        f"against {percent(cover[CBCL])}. (From start to start a median moves by {noise:.2f} at most.) The first "
        "figure shows the components of all its pictures beside those of PCA and k-means. The second figure and the "
        "table change the pictures to test reasons.\n\n"
        "One is the floor, the brightness that never goes away: of each pixel the least value over the pictures, "
        f"relative to its mean. On average it is {percent(floor[OLIVETTI])} for {olivetti} and {percent(floor[CBCL])} "
        f"for {cbcl}. What is always there needs no component of its own. It can be spread over any, as the study of "
        f"the swimmer shows, and then they cover the whole picture. Giving {cbcl} the floor of {olivetti} "
        f"{compared(CBCL, CBCL + OTHER_FLOOR)}. Taking the floor off {olivetti} "
        f"{compared(OLIVETTI, OLIVETTI + NO_FLOOR)}. The gap of {gap:.2f} between the two sets is {left[0]:.2f} when "
        f"both have the floor of {olivetti}, and {left[1]:.2f} when both have none.{verdict}\n\n"
        f"NMF is said to need faces that are aligned. Moving each face of {cbcl} by up to {int(arrays['shift'])} "
        f"pixels {compared(CBCL, CBCL + MOVED)}. With the floor taken off before and after, moving "
        f"{compared(CBCL + NO_FLOOR, CBCL + MOVED + NO_FLOOR)}. So a lack of alignment {aligned} make components "
        "larger here.\n\n"
        "Lee and Seung's form stretches the contrast of each picture and cuts at 0, which leaves a floor of "
        f"{percent(floor[CBCL + STRETCHED])} for {cbcl} and {percent(floor[OLIVETTI + STRETCHED])} for {olivetti}. For "
        f"{cbcl} it {compared(CBCL, CBCL + STRETCHED)}, for {olivetti} it "
        f"{compared(OLIVETTI, OLIVETTI + STRETCHED)}.{lesson}"
    )


def control_table(arrays: Arrays) -> Table:
    rows = [
        (str(name), f"{100 * floor:.1f} %", f"{np.median(hoyer):.3f}", f"{100 * np.median(cover):.1f} %")
        for name, floor, hoyer, cover in zip(
            *(arrays[name] for name in ("controls", "control_floor", "control_hoyer", "control_support")), strict=True
        )
    ]
    _, starts, rank = arrays["control_hoyer"].shape
    return Table(
        ("pictures", "floor", "Hoyer sparsity", "support"),
        rows,
        f"NMF (Frobenius, HALS) of rank {rank}: medians over the components of {starts} starts.",
    )
