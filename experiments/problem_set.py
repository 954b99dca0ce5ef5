"""Problem set: six identities, each proved in `proofs/`, at work on images of digits and on abstracts."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy import sparse

import jnmf
from experiments import data
from experiments.study import Arrays, Section, Table, tracked
from jnmf import Factors, losses
from jnmf.plot import BLACK, BLUE, GREEN, GREY, ORANGE

TITLE = "Problem set: six identities at work"
SOURCE = "problem set, problems 1 to 6; Berry et al. 2007, Hoyer 2004, Gaussier and Goutte 2005"


@dataclass(frozen=True)
class Settings:
    num_images: int = 400  # of problems 1 to 5
    rank: int = 9
    num_iters: int = 100
    num_alphas: int = 13  # penalties, and none
    newton_iters: int = 20
    num_clusters: tuple[int, ...] = (2, 4, 6, 8, 10)  # the last one is drawn
    num_documents: int = 1200  # of problem 6
    num_terms: int = 800
    num_topics: int = 4
    num_starts: int = 3
    topic_iters: int = 100
    record_every: int = 5
    seed: int = 0


FULL = Settings(
    num_images=1000,
    num_iters=300,
    num_alphas=31,
    num_clusters=tuple(range(1, 21)),
    num_documents=7094,
    num_terms=5896,
    topic_iters=200,
)
TINY = Settings(
    num_images=40,
    rank=4,
    num_iters=15,
    num_alphas=4,
    newton_iters=6,
    num_clusters=(2, 3),
    num_documents=150,
    num_terms=60,
    num_starts=3,
    topic_iters=50,
    record_every=10,
)

FORMS = ("l1", "l2")  # of the penalty: J = ΣW and J = ‖W‖²
METHODS = ("ALS", "HALS")
GONE = 1e-6  # a component whose ‖w‖‖h‖ is below this times ‖X‖ has left the model
INVERTIBLE = 1e6  # the largest condition number for which a formula with an inverse is compared
ROUNDING = 1e-9  # a relative deviation below it is put down to rounding
BINS = np.linspace(-3, 3, 61)  # of log₁₀ of a step size in units of 1/L
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of sparsity, in the picture
HESSIAN_COLUMNS = 5
KL = jnmf.MU(beta=1.0)


def compute(settings: Settings, progress: bool = False) -> Arrays:
    if settings.record_every < 1 or settings.topic_iters % settings.record_every:
        raise ValueError(
            f"topic_iters: expected a multiple of record_every = {settings.record_every}, got {settings.topic_iters}"
        )
    images = data.or_stand_in(data.mnist_train, data.digits)
    documents = data.or_stand_in(data.classic4, data.planted_topics)
    X = images.X[:, : settings.num_images]
    labels = -np.ones(X.shape[1], int) if images.labels is None else images.labels[: X.shape[1]]
    arrays: dict[str, Any] = {
        "notes": np.array([found.note for found in (images, documents) if found.note], dtype=str),
        "shape": images.shape,
        "order": images.order,
        "num_images": X.shape[1],
        "digits": labels,
    }
    for problem in tracked((penalties, sparsities, step_sizes, newton, clusters), "problems 1 to 5", progress):
        arrays |= problem(X, settings)
    arrays |= topics(documents, settings, progress)
    return {key: np.asarray(value) for key, value in arrays.items()}


def relative(A, B) -> float:
    """The largest difference of two arrays, in units of the largest entry of the second."""
    return float(np.max(np.abs(A - B)) / np.max(np.abs(B)))


def iterations(algorithm, num_iters: int = 1):
    """(X, factors) -> factors after `num_iters` iterations. The trace is not returned, and so not computed."""
    return lambda X, factors: jnmf.run(X, factors, algorithm, num_iters=num_iters)[0]


@partial(jax.jit, static_argnames=("step", "times"))
def recorded(X, start: Factors, step, times: int) -> Factors:
    """The factors at the start and after each of the steps: W (times + 1, m, r), H (times + 1, r, n)."""

    def one_step(factors, _):
        factors = step(X, factors)
        return factors, factors

    _, later = lax.scan(one_step, start, length=times)
    return Factors(*(jnp.concatenate([first[None], rest]) for first, rest in zip(start, later, strict=True)))


def losses_of(X, path) -> np.ndarray:
    """½‖X − W H‖² of each pair of factors of a sequence."""
    pairs = zip(*(np.asarray(A) for A in path), strict=True)
    return np.array([0.5 * np.linalg.norm(X - W @ H) ** 2 for W, H in pairs])


# Problem 1: regularised ALS


def penalties(X, settings: Settings) -> dict[str, Any]:
    """Paths over α of both forms of the penalty, for ALS and, on the same objectives, HALS: one program for each.

    Both factors carry the penalty. One on W alone could be escaped: W/c and cH have the same product.
    """
    start = jnmf.init.random(settings.seed, X, settings.rank)
    sigma = np.linalg.norm(X, 2)
    alphas = np.append(0, 0.5 * sigma * np.geomspace(1e-3, 2, settings.num_alphas))
    l1 = np.stack([alphas, 0 * alphas])
    l2 = np.stack([0 * alphas, 2 * alphas])  # α‖W‖² is ½ l2 ‖W‖² with l2 = 2α

    @jax.jit
    def path(X, start, algorithms):
        def last(algorithm):
            factors, trace = jnmf.run(X, start, algorithm, num_iters=settings.num_iters)
            return *factors, trace.delta[-1]

        return jax.vmap(jax.vmap(last))(algorithms)

    arrays: dict[str, Any] = {"alphas": alphas, "alpha_of_zero": 0.5 * sigma}
    for algorithm in (jnmf.ALS, jnmf.HALS):
        W, H, delta = (np.asarray(A) for A in path(X, start, algorithm(l1_W=l1, l1_H=l1, l2_W=l2, l2_H=l2)))
        alive = np.linalg.norm(W, axis=2) * np.linalg.norm(H, axis=3) > GONE * np.linalg.norm(X)
        sparsity = np.asarray(jnmf.hoyer_sparsity(W, axis=2))
        arrays |= {
            f"{algorithm.__name__}.error": np.linalg.norm(X - W @ H, axis=(2, 3)) / np.linalg.norm(X),
            f"{algorithm.__name__}.alive": alive.sum(axis=2),
            f"{algorithm.__name__}.sparsity": np.where(alive, sparsity, np.nan),  # of each column of W
            f"{algorithm.__name__}.delta": delta,
        }
        if algorithm is jnmf.ALS:
            arrays |= rule_deviations(X, W, H, alphas) | shown_parts(W, H, arrays["ALS.alive"])
    return arrays | as_printed(X, settings)


def as_printed(X, settings: Settings) -> dict[str, Any]:
    """The minimiser in W of ‖A − WH‖ + αR(W), the norm not squared, by BFGS, and how far the rule is from it.

    printed_deviation (2, 2): of both forms, with α in the rule and with α‖A − WH‖. Some rows of A are enough; W has no
    constraint here, and the rule none of its projection.
    """
    from scipy import optimize

    draw = np.random.default_rng(settings.seed)
    bright = np.argsort(-X.sum(axis=1))[:8]
    A, deviations = X[bright, :20], []
    H = draw.random((2, A.shape[1]))
    start = np.linalg.lstsq(H.T, A.T, rcond=None)[0].T
    for form in FORMS:
        # As large that at the start the penalty is a third of the misfit.
        alpha = np.linalg.norm(A - start @ H) / 3 / (np.abs(start).sum() if form == "l1" else np.sum(start**2))

        def objective(w, form=form, alpha=alpha):
            W = w.reshape(start.shape)
            rest = W @ H - A
            size = np.linalg.norm(rest)
            penalty, slope = (np.sum(W), np.ones_like(W)) if form == "l1" else (np.sum(W**2), 2 * W)
            return size + alpha * penalty, (rest @ H.T / size + alpha * slope).ravel()

        found: Any = optimize.minimize(objective, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-10})
        W = found.x.reshape(start.shape)
        size = np.linalg.norm(A - W @ H)
        deviations.append([relative(unprojected(A, H, alpha * by, form), W) for by in (1.0, size)])
    return {"printed_deviation": deviations}


def unprojected(X, H, alpha, form: str, factor=2):
    """(XHᵀ − α𝟏)(HHᵀ)⁻¹ or XHᵀ(HHᵀ + 2αI)⁻¹."""
    if form == "l1":
        return np.linalg.solve(H @ H.T, H @ X.T - alpha).T
    return np.linalg.solve(H @ H.T + factor * alpha * np.eye(len(H)), H @ X.T).T


def regularized_rule(X, H, alpha, form: str, factor=2):
    """The rule as the problem states it: [(XHᵀ − α𝟏)(HHᵀ)⁻¹]₊ or [XHᵀ(HHᵀ + 2αI)⁻¹]₊."""
    return np.maximum(unprojected(X, H, alpha, form, factor), 0)


def rule_deviations(X, W, H, alphas) -> dict[str, Any]:
    """How far the last W of each run of ALS is from the rule for its H; NaN where the matrix has no inverse."""
    deviation, without_2 = np.full((2, *W.shape[:2]), np.nan)
    for place in np.ndindex(W.shape[:2]):
        form, alpha = FORMS[place[0]], alphas[place[1]]
        H_alive = H[place][H[place].any(axis=1)]
        gram = H_alive @ H_alive.T + (2 * alpha * np.eye(len(H_alive)) if form == "l2" else 0)
        if not len(H_alive) or not W[place].any() or np.linalg.cond(gram) > INVERTIBLE:
            continue
        W_alive = W[place][:, H[place].any(axis=1)]
        deviation[place] = relative(regularized_rule(X, H_alive, alpha, form), W_alive)
        without_2[place] = relative(regularized_rule(X, H_alive, alpha, form, factor=1), W_alive)
    return {"rule_deviation": deviation, "rule_deviation_without_2": without_2[FORMS.index("l2")]}


def shown_parts(W, H, num_alive) -> dict[str, Any]:
    """W of ALS, columns of maximum 1: without a penalty, with the largest that leaves all components, and between."""
    last = [int(np.flatnonzero(alive == alive[0])[-1]) for alive in num_alive]
    shown = np.array([(0, (end + 1) // 2, end) for end in last])
    form = np.arange(len(shown))[:, None]
    parts = jax.jit(jax.vmap(jax.vmap(jnmf.normalize)))(Factors(W[form, shown], H[form, shown])).W
    return {"shown_alphas": shown, "parts": parts}


# Problem 2: Hoyer's sparsity


def sparsities(X, settings: Settings) -> dict[str, Any]:
    """A vector and an image at several sparsities; the two ends of the range, and draws from between."""
    draw = np.random.default_rng(settings.seed)
    n = 24
    vector = np.abs(draw.standard_normal(n))
    image = X[:, 0]
    finer = np.linspace(0, 1, 101)
    chosen = np.searchsorted(finer, LEVELS)
    vectors, images = (np.asarray(jax.vmap(jnmf.project_sparsity, (None, 0))(x, finer)) for x in (vector, image))
    # Powers of positive numbers: from nearly alike to nearly a single one.
    drawn = np.abs(draw.standard_normal((2000, n))) ** draw.uniform(0.05, 8, (2000, 1))
    size, sign = draw.lognormal(0, 2, (n, 1)), draw.choice((-1, 1), (n, n))
    scores = np.asarray(jnmf.hoyer_sparsity(np.concatenate([vectors, size * np.eye(n), size * sign, drawn]), axis=1))
    of_vectors, single, alike, of_drawn = np.split(scores, np.cumsum((len(finer), n, n)))
    of_images = np.asarray(jnmf.hoyer_sparsity(np.vstack([image, images]), axis=1))
    lengths = [np.linalg.norm(A, axis=1) / np.linalg.norm(x) for A, x in ((vectors, vector), (images, image))]
    return {
        "vectors": vectors[chosen],
        "images": images[chosen],
        "image_sparsity": of_images[0],
        "projection_deviation": np.abs([of_vectors - finer, of_images[1:] - finer, *(a - 1 for a in lengths)]).max(),
        "single_sparsity": single,
        "alike_sparsity": alike,
        "drawn_sparsity": of_drawn,
    }


# Problem 3: multiplicative updates as gradient descent


@jax.jit
def gradient_steps(X, Ws, Hs):
    """For each pair of factors of a sequence: F(H), the step sizes ε = H ⊘ (WᵀWH), and H − ε ⊙ ∇F(H) by autodiff."""

    def of_pair(pair):
        W, H = pair
        step_size = H / (W.T @ W @ H)
        loss, gradient = jax.value_and_grad(losses.frobenius, argnums=2)(X, W, H)
        return loss, step_size, H - step_size * gradient

    return lax.map(of_pair, (Ws, Hs))


def step_sizes(X, settings: Settings) -> dict[str, Any]:
    start = jnmf.init.random(settings.seed, X, settings.rank)
    Ws, Hs = (np.asarray(A) for A in recorded(X, start, iterations(jnmf.MU()), settings.num_iters))
    loss, steps, after = (np.asarray(A) for A in gradient_steps(X, Ws, Hs))
    lipschitz = np.linalg.norm(Ws.mT @ Ws, 2, axis=(1, 2))  # L of the gradient in H
    in_units = steps * lipschitz[:, None, None]
    with np.errstate(divide="ignore"):
        logarithm = np.log10(in_units).reshape(len(steps), -1)
    projected = recorded(X, start, iterations(jnmf.PGD()), settings.num_iters)
    return {
        "step_histogram": [np.histogram(row, BINS)[0] / row.size for row in logarithm],
        "step_quantiles": np.quantile(in_units, (0.1, 0.5, 0.9), axis=(1, 2)),
        "step_below_bins": np.mean(logarithm < BINS[0], axis=1),
        "step_above_one": np.mean(in_units > 1, axis=(1, 2)),
        "step_above_two": np.mean(in_units > 2, axis=(1, 2)),
        # Of each column of H the largest and the smallest step.
        "step_column_largest": in_units.max(axis=1),
        "step_column_smallest": in_units.min(axis=1),
        "step_deviation": [relative(a, b) for a, b in zip(after[:-1], Hs[1:], strict=True)],
        "MU.loss": loss,
        "PGD.loss": losses_of(X, projected),
    }


# Problem 4: ALS as Newton's method


def vec(A):
    """The columns of A, one below the other."""
    return A.T.ravel()


def full_hessian(X, W, H):
    """∇²F(H) from autodiff as a matrix (rn, rn), whose rows and columns run as vec(H) does."""
    hessian = jax.hessian(losses.frobenius, argnums=2)(X, W, H)
    return hessian.transpose(1, 0, 3, 2).reshape(H.size, H.size)


@jax.jit
def one_step(X, W, starts):
    """From each H in `starts` one truncated Newton step and one projected gradient step; the ALS point; the Hessian."""
    G, C = W.T @ W, W.T @ X

    def newton(H):
        gradient = jax.grad(losses.frobenius, argnums=2)(X, W, H)
        return H - jnp.linalg.solve(full_hessian(X, W, H), vec(gradient)).reshape(H.shape[::-1]).T

    return (
        jnmf.project_nonnegative(lax.map(newton, starts)),
        lax.map(lambda H: jnmf.solvers.projected_gradient(H, G, C), starts),
        jnmf.solvers.least_squares(starts[0], G, C),
        full_hessian(X, W, starts[0]),
    )


def truncated_newton(X, W, H):
    """[H − (∇²F)⁻¹∇F]₊: ∇²F is WᵀW once for each column of H, so that the columns are solved together."""
    gradient = jax.grad(losses.frobenius, argnums=2)(X, W, H)
    return jnmf.project_nonnegative(H - jnp.linalg.solve(W.T @ W, gradient))


def newton_iteration(X, factors: Factors) -> Factors:
    W, H = factors
    H = truncated_newton(X, W, H)
    return Factors(truncated_newton(X.T, H.T, W.T).T, H)


def newton(X, settings: Settings) -> dict[str, Any]:
    start = jnmf.init.random(settings.seed, X, settings.rank)
    W, few, scales = np.asarray(start.W), X[:, :HESSIAN_COLUMNS], np.geomspace(0.01, 100, 9)
    draw = np.random.default_rng(settings.seed)
    starts = scales[:, None, None] * draw.uniform(-1, 1, (len(scales), settings.rank, few.shape[1]))
    ends, gradient_ends, als, hessian = (np.asarray(A) for A in one_step(few, W, starts))
    length = lambda A: np.linalg.norm(A - als, axis=(1, 2)) / np.linalg.norm(als)
    # Rounding is in proportion to the largest number that takes part.
    largest = np.maximum(np.abs(starts).max(axis=(1, 2)), als.max())

    newton_path, als_path = (
        [np.asarray(A) for A in recorded(X, start, step, settings.newton_iters)]
        for step in (newton_iteration, iterations(jnmf.ALS()))
    )
    return {
        "hessian": hessian,
        "hessian_deviation": relative(hessian, np.kron(np.eye(few.shape[1]), W.T @ W)),
        "distance_before": length(starts),
        "distance_after": length(ends),
        "distance_gradient": length(gradient_ends),
        "landing_deviation": np.abs(ends - als).max(axis=(1, 2)) / largest,
        "pseudo_inverse_deviation": relative(np.maximum(np.linalg.pinv(W) @ few, 0), als),
        "newton.loss": losses_of(X, newton_path),
        "ALS.loss": losses_of(X, als_path),
        "iterate_deviation": np.max(
            [[relative(*pair) for pair in zip(*two, strict=True)] for two in zip(newton_path, als_path, strict=True)],
            axis=0,
        ),
    } | plane(X, settings)


def plane(X, settings: Settings) -> dict[str, Any]:
    """The smallest example, to be drawn: the image x that is worst as a mixture w₁h₁ + w₂h₂ of the first two."""
    W = X[:, :2]
    G = W.T @ W
    minima = np.linalg.lstsq(W, X[:, 2:], rcond=None)[0]
    worst = int(np.argmin(minima.min(axis=0)))
    x, minimum = X[:, [2 + worst]], minima[:, worst]
    cut_off = -minimum.min()
    width = 4 * cut_off if cut_off > 0 else 0.5 * np.abs(minimum).max()
    angles = np.pi * np.array([0.05, 0.3, 0.5, 0.7, 0.95])
    starts = minimum[:, None] + 0.85 * width * np.array([np.cos(angles), np.sin(angles)])
    axes = minimum[:, None] + np.linspace(-width, width, 61)
    points = np.stack(np.meshgrid(*axes), axis=-1)  # a row for each h₂, a column for each h₁
    return {
        "plane_axes": axes,
        "plane_loss": 0.5 * ((x[:, 0] - points @ W.T) ** 2).sum(axis=2),
        "plane_starts": starts.T,
        "plane_ends": (starts - np.linalg.solve(G, G @ starts - W.T @ x)).T,
        "plane_truncated": np.maximum(minimum, 0),
        "plane_best": jnmf.nnls(W, x)[:, 0],
    }


# Problem 5: k-means as a factorisation


def clusters(X, settings: Settings) -> dict[str, Any]:
    """k-means of the images, the rows of A, for each number of clusters; G, M; and the NMF that descends from there."""
    from sklearn import cluster

    KMeans: Any = cluster.KMeans
    A = X.T
    numbers, most = settings.num_clusters, max(settings.num_clusters)
    inertia, objectives, orthogonality, least, starts = [], [], [], [], []
    for k in numbers:
        found = KMeans(k, n_init=3, random_state=settings.seed).fit(A)
        F = (found.labels_[:, None] == np.arange(k)).astype(float)
        G = F / np.sqrt(F.sum(axis=0))
        M = G.T @ A
        inertia.append(found.inertia_)
        objectives.append(2 * losses.frobenius(A, G, M))
        orthogonality.append(np.abs(G.T @ G - np.eye(k)).max())
        least.append((G.min(), M.min()))
        starts.append((np.pad(G, ((0, 0), (0, most - k))), np.pad(M, ((0, most - k), (0, 0)))))

    # All ranks in one program: components that are zero stay zero.
    stacked = Factors(*(jnp.asarray(np.stack(parts)) for parts in zip(*starts, strict=True)))
    descend = jax.jit(jax.vmap(iterations(jnmf.HALS(), settings.num_iters), in_axes=(None, 0)))
    W, H = (np.asarray(B) for B in descend(A, stacked))
    k = numbers[-1]
    G, M = starts[-1][0][:, :k], starts[-1][1][:k]
    return {
        "num_clusters": numbers,
        "inertia": inertia,
        "k_means_objective": objectives,
        "orthogonality_deviation": orthogonality,
        "least_entry": least,
        "nmf_objective": np.linalg.norm(A - W @ H, axis=(1, 2)) ** 2,
        "svd_objective": np.asarray(jnmf.svd_rmse(A, numbers)) ** 2 * A.size,
        "G": G,
        "nmf_W": jnmf.normalize(Factors(jnp.asarray(W[-1, :, :k]), jnp.asarray(H[-1, :k])), norm="l2").W,
        "means": G.max(axis=0)[:, None] * M,  # G_ic = 1/√n_c and M_c = √n_c μ_c
        "cluster_labels": G.argmax(axis=1),
    }


# Problem 6: topics


def topics(documents: data.Documents, settings: Settings, progress: bool) -> dict[str, Any]:
    """KL-NMF of the counts from several starts, with what the likelihood and the divergence do on the way."""
    chosen, terms, labels = selected(documents, settings)
    P = sparse.coo_array(chosen / chosen.sum())
    dense = jnp.asarray(P.toarray())
    records, step = settings.topic_iters // settings.record_every, iterations(KL, settings.record_every)
    keys = tracked(range(settings.seed, settings.seed + settings.num_starts), "problem 6, starts", progress)
    paths = [recorded(dense, jnmf.init.random(key, dense, settings.num_topics), step, records) for key in keys]
    divergence, log_likelihood, weight_sum = np.stack([measures(P, dense, path) for path in paths], axis=1)
    best = int(np.argmin(divergence[:, -1]))
    last = Factors(*(A[-1] for A in paths[best]))
    W, sigma, H = (np.asarray(A) for A in jnmf.probabilities(last))
    share = np.stack([W[labels == c].sum(axis=0) for c in range(len(documents.collections))])  # P(collection | topic)
    order = np.lexsort((-sigma, share.argmax(axis=0)))
    leading = np.argsort(-H, axis=1, kind="stable")[:, : min(8, len(terms))]
    belongs = (W * sigma)[:, order].argmax(axis=1)  # P(topic | document) is in proportion to W_ik σ_k
    members = [np.bincount(belongs[labels == c], minlength=len(order)) for c in range(len(documents.collections))]
    return {
        "documents_asked": min(settings.num_documents, len(documents.labels)),
        "documents_terms": P.shape,
        "documents_dtype": str(dense.dtype),
        "collections": documents.collections,
        "record_iters": np.arange(records + 1) * settings.record_every,
        "divergence": divergence,
        "log_likelihood": log_likelihood,
        "weight_sum": weight_sum,
        "entropy_term": np.sum(P.data * np.log(P.data)),
        "best_start": best,
        "topic_weight": sigma[order],
        "topic_terms": terms[leading[order]],
        "topic_collections": share[:, order],
        "topic_members": np.stack(members),
    }


def selected(documents: data.Documents, settings: Settings):
    """Counts (documents, terms) of drawn documents and the terms that most documents have, without empty lines."""
    X: Any = documents.X
    frequency = (X > 0).sum(axis=0)
    columns = np.sort(np.argsort(-frequency, kind="stable")[: settings.num_terms])
    draw = np.random.default_rng(settings.seed)
    rows = np.sort(draw.permutation(X.shape[0])[: settings.num_documents])
    X = X[rows][:, columns]
    rows, kept = rows[X.sum(axis=1) > 0], X.sum(axis=0) > 0
    return X[X.sum(axis=1) > 0][:, kept], documents.terms[columns[kept]], documents.labels[rows]


@jax.jit
def mixtures(P, path: Factors):
    """Of each pair of factors of a sequence the mixture W, diag(σ) H with Σσ made one; D_KL(P, ·); Σσ as it was."""

    def of_pair(factors):
        W, sigma, H = jnmf.probabilities(factors)
        mixture = Factors(W, (sigma / sigma.sum())[:, None] * H)
        return mixture, jnmf.objective(P, mixture, KL), sigma.sum()

    return lax.map(of_pair, path)


def measures(P, dense, path: Factors) -> np.ndarray:
    """(3, records): D_KL(P, W diag(σ) H), the log-likelihood Σ P log(W diag(σ) H), and Σσ.

    The divergence is the library's, over all entries; the likelihood is added up here, over those that are not zero.
    """
    mixture, divergence, weight_sum = mixtures(dense, path)
    i, j = P.coords
    log_likelihood = [
        np.sum(P.data * np.log(np.einsum("ek,ke->e", W[i], H[:, j])))
        for W, H in zip(*(np.asarray(A) for A in mixture), strict=True)
    ]
    return np.array([divergence, log_likelihood, weight_sum])


# Answers


PROOFS = {  # the file, and the last line of the derivation
    15: ("regularized_least_squares", "W ← [(AHᵀ − l₁𝟏)(HHᵀ + l₂I)⁻¹]₊ with l₁ = a₁/2c, l₂ = a₂/c"),
    16: (
        "sparsity_bounds",
        "‖x‖₂ ≤ ‖x‖₁ ≤ √n‖x‖₂, equal on the left for one nonzero entry, on the right for equal |x_i|",
    ),
    17: ("multiplicative_as_gradient", "H + ε ⊙ (WᵀA − WᵀWH) = H ⊙ WᵀA ⊘ WᵀWH with ε = H ⊘ WᵀWH"),
    18: ("truncated_newton", "[vec H − (I ⊗ WᵀW)⁻¹ vec(WᵀWH − WᵀA)]₊ = vec[(WᵀW)⁻¹WᵀA]₊ = vec[W⁺A]₊"),
    19: ("k_means", "Σ_c Σ_{i ∈ c} ‖a_i − μ_c‖² = ‖A − GGᵀA‖² = ‖A − GM‖²"),
    20: ("latent_semantic_analysis", "D_GKL(A‖WΣH) = Σ A log A − log L"),
}


def proved(number: int) -> str:
    name, last_line = PROOFS[number]
    return f"The derivation is statement {number} (proofs/{name}.py). Its last line: {last_line}."


def size_of(deviation) -> str:
    """A largest deviation, and what it is put down to."""
    largest = np.max(deviation)
    if largest == 0:
        return "0, without rounding"
    return f"{largest:.1e}, " + ("which is rounding" if largest <= ROUNDING else "which is more than rounding")


def checks(*rows: tuple[str, Any]) -> Table:
    """What was compared on these data, with the largest deviation of each comparison."""
    return Table(("checked on these data", "largest deviation"), [(what, size_of(found)) for what, found in rows])


def sections(arrays: Arrays) -> list[Section]:
    deviation = arrays["rule_deviation"]
    single, alike = arrays["single_sparsity"], arrays["alike_sparsity"]
    return [
        Section(
            "Problem 1. Regularised ALS: which rules for W follow for a) ‖W‖² and b) ΣW?",
            regularised(arrays),
            ("penalty_paths", "penalty_parts"),
            (
                DICTIONARY,
                path_table(arrays),
                checks(
                    (
                        f"the last W of ALS, {np.isfinite(deviation).sum()} runs, from the rule for its H",
                        deviation[np.isfinite(deviation)],
                    )
                ),
            ),
        ),
        Section(
            "Problem 2. Hoyer's sparsity: when is it 1, and when 0?",
            bounds(arrays),
            ("sparsity",),
            (
                checks(
                    ("sparsity of vectors with one nonzero entry, from 1", np.abs(single - 1)),
                    ("sparsity of vectors of one absolute value, from 0", np.abs(alike)),
                    (
                        "sparsity and length after the projection, 101 levels, from what was asked",
                        arrays["projection_deviation"],
                    ),
                ),
            ),
        ),
        Section(
            "Problem 3. The multiplicative rule as gradient descent: with which step sizes?",
            gradient(arrays),
            ("step_sizes",),
            (
                checks(
                    (
                        "H of jnmf.MU from H − ε ⊙ ∇F(H), the gradient by autodiff, relative to its largest entry",
                        arrays["step_deviation"],
                    )
                ),
            ),
        ),
        Section(
            "Problem 4. ALS as Newton's method: is the truncated step H ← [W⁺A]₊?",
            newtons(arrays),
            ("newton",),
            (
                checks(
                    ("the Hessian by autodiff from I ⊗ WᵀW", arrays["hessian_deviation"]),
                    ("[W⁺A]₊, W⁺ by its singular values, from the library's step", arrays["pseudo_inverse_deviation"]),
                    (
                        "the end of a Newton step from the ALS point, relative to the largest number in it",
                        arrays["landing_deviation"],
                    ),
                    ("the factors of Newton and of ALS in all iterations", arrays["iterate_deviation"]),
                ),
            ),
        ),
        Section(
            "Problem 5. k-means as a semi-orthogonal NMF: which G and M, and are all matrices nonnegative?",
            k_means(arrays),
            ("clusters",),
            (
                checks(
                    (
                        "‖A − GM‖² from the objective of scikit-learn's k-means, relative",
                        np.abs(arrays["k_means_objective"] / arrays["inertia"] - 1),
                    ),
                    ("GᵀG from I", arrays["orthogonality_deviation"]),
                ),
            ),
        ),
        Section(
            "Problem 6. NMF and pLSA: is the least KL divergence the largest likelihood?",
            semantics(arrays),
            ("likelihood", "topics"),
            (
                checks(
                    (
                        f"divergence + log-likelihood from Σ A log A = {arrays['entropy_term']:.4f}, relative, in all "
                        "records",
                        lockstep(arrays),
                    ),
                    ("Σσ from 1 after the start", np.abs(arrays["weight_sum"][:, 1:] - 1)),
                ),
                term_table(arrays),
                member_table(arrays),
            ),
        ),
    ]


DICTIONARY = Table(
    ("objective", "rule for W", "in the library"),
    [
        ("½‖A − WH‖² + α ΣW", "[(AHᵀ − α𝟏)(HHᵀ)⁻¹]₊", "jnmf.ALS(l1_W=α)"),
        ("½‖A − WH‖² + α‖W‖²", "[AHᵀ(HHᵀ + 2αI)⁻¹]₊", "jnmf.ALS(l2_W=2 * α)"),
        ("½‖A − WH‖² + ½α‖W‖²", "[AHᵀ(HHᵀ + αI)⁻¹]₊", "jnmf.ALS(l2_W=α)"),
        ("‖A − WH‖² + α ΣW", "[(AHᵀ − ½α𝟏)(HHᵀ)⁻¹]₊", "jnmf.ALS(l1_W=α / 2)"),
        ("‖A − WH‖² + α‖W‖²", "[AHᵀ(HHᵀ + αI)⁻¹]₊", "jnmf.ALS(l2_W=α)"),
        ("‖A − WH‖ + α ΣW, as printed", "[(AHᵀ − α‖A − WH‖𝟏)(HHᵀ)⁻¹]₊", "α‖A − WH‖ changes with W"),
        ("‖A − WH‖ + α‖W‖², as printed", "[AHᵀ(HHᵀ + 2α‖A − WH‖I)⁻¹]₊", "α‖A − WH‖ changes with W"),
    ],
    "Objectives and the rules that they give: where the factor 2 goes",
)


def path_table(arrays: Arrays) -> Table:
    sparsity = mean_sparsity(arrays, "ALS")
    cell = lambda value: "none left" if np.isnan(value) else f"{value:.3f}"
    rows = [
        (f"{alpha:.3g}", *(text for i in (0, 1) for text in (f"{arrays['ALS.error'][i, j]:.3f}", cell(sparsity[i, j]))))
        for j, alpha in enumerate(arrays["alphas"])
    ]
    return Table(("α", "l1: error", "sparsity of W", "l2: error", "sparsity of W"), rows, "The paths of ALS")


def path_in_words(arrays: Arrays, i: int) -> str:
    """What happens along one path of ALS, from the numbers."""
    alphas, error, left = arrays["alphas"], arrays["ALS.error"][i], arrays["ALS.alive"][i]
    sparsity = mean_sparsity(arrays, "ALS")[i]
    most, least, best = np.nanargmax(sparsity), np.nanargmin(sparsity), np.argmin(error)
    at = lambda j: f"α = {alphas[j]:.2g}" if j else "no penalty"
    empty = np.flatnonzero(left == 0)
    end = f"no component is left from α = {alphas[empty[0]]:.2g} on" if len(empty) else "components are left at the end"
    return (
        f"the relative error ‖A − WH‖/‖A‖ is {error[0]:.3f} without a penalty and least, {error[best]:.3f}, with "
        f"{at(best)}; the mean sparsity of the columns of W is {sparsity[0]:.3f} without a penalty, largest, "
        f"{sparsity[most]:.3f}, with {at(most)} and smallest, {sparsity[least]:.3f}, with {at(least)}; {end}"
    )


def mean_cosine(W) -> float:
    """The mean cosine of the angle between two different columns."""
    directions = W / np.linalg.norm(W, axis=0)
    return float(np.mean((directions.T @ directions)[~np.eye(W.shape[1], dtype=bool)]))


def regularised(arrays: Arrays) -> str:
    num_alphas, deviation = len(arrays["alphas"]), arrays["rule_deviation"]
    compared = np.isfinite(deviation)
    above = np.sum(arrays["ALS.error"] > arrays["HALS.error"] * (1 + 1e-6), axis=1)
    moving = np.sum(arrays["ALS.delta"] > 1e-2)
    most = {method: np.nanmax(mean_sparsity(arrays, method)[0]) for method in METHODS}
    l1, l2 = (path_in_words(arrays, i) for i in (0, 1))
    l1_cosines, l2_cosines = (", ".join(f"{mean_cosine(W):.2f}" for W in parts) for parts in arrays["parts"])
    plain, scaled = np.max(arrays["printed_deviation"], axis=0)
    return (
        "a) W ← [AHᵀ(HHᵀ + 2αI)⁻¹]₊; b) W ← [(AHᵀ − α𝟏)(HHᵀ)⁻¹]₊, both beside ½‖A − WH‖². At a stationary point the "
        "gradient (WH − A)Hᵀ of ½‖A − WH‖² and αΦ_W add up to 0, which is (1.2) before the projection. a) Φ_W = 2W: "
        "the term 2αW moves to the left and into the inverse. b) Φ_W = 𝟏: (1.2) is solved for W as it stands. "
        f"{proved(15)} (It has c‖A − WH‖² + a₁ΣW + a₂‖W‖².)\n\n"
        "As printed, (1.1) has ‖A − WH‖ without a square, and (1.2) is not its rule: the gradient of the norm is "
        "(WH − A)Hᵀ/‖A − WH‖, so that α‖A − WH‖ must stand for α. The smallest case: A = 3, H = 1, R = W² and "
        "α = ½. |3 − W| + ½W² is least at W = 1; (1.2) gives 3/2, and with α‖A − WH‖ = 1 in place of α, 1. Here, "
        f"with the minimum found by BFGS, the rule with α is off by up to {plain:.1%}, that with α‖A − WH‖ by "
        f"{scaled:.0e}. The table has this case, and the squared ones.\n\n"
        "The assumption of b), that the columns of W are normalised, is not needed for the rule. It is needed for the "
        "penalty to have a meaning: W/c and cH have the same product, so without it ΣW is made as small as one likes "
        "at no cost. With columns of length 1, Σ_i w_ik = √I − (√I − 1) sparsity(w_k) for I rows (statement 15): the "
        "penalty then asks for the sparsity of problem 2. (With columns of sum 1 it would be the constant K.) Below, "
        "both factors carry the penalty instead, which closes the same way out.\n\n"
        f"What the penalties do: the paths have {num_alphas} values of α for each form, on {arrays['num_images']} "
        "images, from one start.\n\n"
        f"ΣW + ΣH (left column): {l1}.\n\n"
        f"‖W‖² + ‖H‖² (right column): {l2}. For α ≥ σ₁/2 = {arrays['alpha_of_zero']:.3g} (grey line; σ₁ is the largest "
        "singular value of A) the best W H is 0: what it gains, ⟨A, WH⟩ ≤ σ₁‖W‖‖H‖ ≤ ½σ₁(‖W‖² + ‖H‖²), does not pay "
        "for the penalty.\n\n"
        "The second figure shows the W of ALS without a penalty, with the largest α that leaves all components, and "
        f"between. The mean cosine of two components is, in this order, {l1_cosines} for the sum and {l2_cosines} for "
        "the square: it is 1 where all have become alike.\n\n"
        "The dashed lines are HALS on the same objectives, which minimises row by row. ALS ends with the larger error "
        f"at {above[0]} of {num_alphas} values for the sum and at {above[1]} for the square, and {moving} of its "
        f"{deviation.size} runs still move by more than 1% in the last iteration. With the sum the mean sparsity of W "
        f"reaches {most['ALS']:.3f} with ALS and {most['HALS']:.3f} with HALS. The rule solves first and cuts off "
        "negative entries afterwards, so it need not minimise the objective that it comes from.\n\n"
        f"In {deviation.size - compared.sum()} of the {deviation.size} runs of ALS the rule was not compared, because "
        "all components are gone or the condition number of the matrix is above "
        f"{INVERTIBLE:,.0f}. With α in place of 2α the rule for ‖W‖² would be off by up to "
        f"{np.nanmax(arrays['rule_deviation_without_2']):.0%}."
    )


def bounds(arrays: Arrays) -> str:
    drawn = arrays["drawn_sparsity"]
    of_parts = arrays["ALS.sparsity"][np.isfinite(arrays["ALS.sparsity"])]
    outside = np.sum((drawn < 0) | (drawn > 1)) + np.sum((of_parts < 0) | (of_parts > 1))
    return (
        "a) It is 1 exactly if x has one nonzero entry; b) it is 0 exactly if all |x_i| are equal. sparsity(x) = "
        "(√n − ‖x‖₁/‖x‖₂)/(√n − 1) measures the ratio of two norms. ‖x‖₁² − ‖x‖₂² is the sum of the products "
        "|x_i||x_j| with i ≠ j, which is 0 only if no two entries differ from 0: then the ratio is 1 and the sparsity "
        "1. n‖x‖₂² − ‖x‖₁² is half the sum of (|x_i| − |x_j|)² over all pairs, which is 0 only if all |x_i| are equal: "
        f"then the ratio is √n and the sparsity 0. {proved(16)}\n\n"
        "The figure shows one vector of 24 numbers and one image, each brought to five sparsities by the nearest "
        "nonnegative vector of the same length (jnmf.project_sparsity; the image itself has the sparsity "
        f"{arrays['image_sparsity']:.2f}). At 0 all entries are alike, at 1 one is left, which has all of the length. "
        "Each image is drawn from 0 to its own largest entry, written beneath it. Along the paths of problem 1 the "
        f"columns of W have sparsities from {of_parts.min():.2f} to {of_parts.max():.2f}. Of {drawn.size} drawn "
        f"vectors of other kinds the sparsities go from {drawn.min():.4f} to {drawn.max():.4f}; outside [0, 1] are "
        f"{outside} of them and of the columns of W."
    )


def gradient(arrays: Arrays) -> str:
    largest, smallest = arrays["step_column_largest"], arrays["step_column_smallest"]
    between = np.sum((largest >= 1 - ROUNDING) & (smallest <= 1 + ROUNDING))
    over, double, below = (arrays[key] for key in ("step_above_one", "step_above_two", "step_below_bins"))
    mu, pgd, last = arrays["MU.loss"][-1], arrays["PGD.loss"][-1], len(over) - 1
    lower, median = "MU" if mu < pgd else "projected gradient", arrays["step_quantiles"][1]
    return (
        "With ε_ij = H_ij/(WᵀWH)_ij, one for each entry: in (3.2) the term −ε_ij(WᵀWH)_ij then cancels H_ij, and what "
        f"remains is (3.1), in which no entry can become negative. {proved(17)}\n\n"
        "The figure shows how the step sizes for H are distributed in each iteration, in units of the 1/L that "
        f"projected gradient takes for all entries, L = ‖WᵀW‖₂. At the start {over[0]:.0%} of them are above 1/L, "
        f"after {last} iterations {over[-1]:.0%}, and {double[-1]:.0%} are above 2/L, where a common step size would "
        f"no longer be safe. The median goes from {median[0]:.2g}/L to {median[-1]:.2g}/L, and {below[-1]:.0%} of the "
        "steps end below a thousandth of 1/L: ε_ij is in proportion to H_ij, so that an entry near 0 hardly moves. The "
        "mean of the 1/ε_ij of a column with the weights v_i H_ij is L, v ≥ 0 the leading eigenvector of WᵀW: so 1/L "
        f"lies between the smallest and the largest step of a column. It does in {between} of {largest.size} columns "
        "of all iterations.\n\n"
        f"From the same start and after {last} iterations, ½‖A − WH‖² is {mu:.1f} for MU and {pgd:.1f} for projected "
        f"gradient; {lower} is lower."
    )


def newtons(arrays: Arrays) -> str:
    before, after, gradient_after = (arrays[f"distance_{key}"] for key in ("before", "after", "gradient"))
    rises, num_iters = int(np.sum(np.diff(arrays["ALS.loss"]) > 0)), len(arrays["ALS.loss"]) - 1
    overlaid = "cover each other" if arrays["iterate_deviation"].max() <= ROUNDING else "do not cover each other"
    truncated, best = arrays["plane_truncated"], arrays["plane_best"]
    apart = np.linalg.norm(truncated - best) / np.linalg.norm(best)
    ends = arrays["plane_ends"][0]
    example = (
        f"ends at h = ({ends[0]:.3f}, {ends[1]:.3f}), and is cut off to ({truncated[0]:.3f}, {truncated[1]:.3f}). The "
        f"best h ≥ 0 is ({best[0]:.3f}, {best[1]:.3f}), {apart:.0%} away: cut off is not minimised"
        if ends.min() < 0
        else f"ends at h = ({ends[0]:.3f}, {ends[1]:.3f}) ≥ 0, so nothing is cut off"
    )
    return (
        "Yes. F(H) = ½‖A − WH‖² is quadratic in H, and with the columns of H stacked its Hessian is I ⊗ WᵀW: one block "
        "WᵀW for each column (upper left in the figure). A Newton step from any H therefore ends at (WᵀW)⁻¹WᵀA. If "
        "WᵀW is invertible, (WᵀW)⁻¹Wᵀ is the pseudo-inverse W⁺. Truncated at 0, that is (4.2), H ← [W⁺A]₊. "
        f"{proved(18)}\n\n"
        f"Upper right: {len(before)} starts H of both signs, {before.min():.3g} to {before.max():.3g} times ‖H‖ of the "
        "ALS point away from it. One Newton step, with the gradient and the full Hessian by autodiff, ends within "
        f"{after.max():.0e}. One projected gradient step from the same starts ends {gradient_after.min():.3g} to "
        f"{gradient_after.max():.3g} away. Lower left: the smallest example, an image as a mixture of two others. "
        f"Newton {example}.\n\n"
        f"Lower right: truncated Newton and projected ALS for both factors by turns, {num_iters} iterations from one "
        f"start, {overlaid}. Truncating can raise the loss; here it rises in {rises} of these iterations."
    )


def k_means(arrays: Arrays) -> str:
    objective, nmf = arrays["k_means_objective"], arrays["nmf_objective"]
    k, several = arrays["num_clusters"][-1], np.mean((arrays["nmf_W"] > 1e-3 * arrays["nmf_W"].max()).sum(axis=1) > 1)
    digits, labels = arrays["digits"], arrays["cluster_labels"]
    commonest = [np.bincount(digits[labels == c]).max() for c in np.unique(labels)] if digits.min() >= 0 else []
    rate = np.sum(commonest) / labels.size
    purity = f" {rate:.0%} of the images show the commonest digit of their cluster." if commonest else ""
    least_G, least_M = np.min(arrays["least_entry"], axis=0)
    sign = "both are nonnegative" if min(least_G, least_M) >= 0 else "not both are nonnegative"
    return (
        "G_ic = 1/√n_c for the n_c members i of cluster c, 0 else, and M = GᵀA. Row i of GM is then the mean of the "
        "cluster of row a_i, so that (5.1) is ‖A − GM‖². The columns of G have no row in common and length 1: GᵀG = I. "
        "All matrices stay nonnegative: G by its definition, and M = GᵀA as a product of nonnegative matrices, for "
        f"A ≥ 0. {proved(19)}\n\n"
        f"A holds {arrays['num_images']} images in its rows. The least entry of G is {least_G:.3g} and that of M is "
        f"{least_M:.3g} over all k: {sign}. Upper left: the objective of scikit-learn's k-means, and ‖A − GM‖² from "
        "its labels (crosses). Beside it: G has one nonzero entry in each row; its columns are blocks. NMF drops "
        f"GᵀG = I: started at G, M, it goes from {objective[-1]:.5g} to {nmf[-1]:.5g} at k = {k}, and {several:.0%} of "
        "the images then have more than one component above a thousandth of the largest entry. No factorisation of "
        f"this rank can be below the truncated SVD, {arrays['svd_objective'][-1]:.5g}. Below: the cluster means, which "
        f"are the rows of M divided by √n_c.{purity}"
    )


def semantics(arrays: Arrays) -> str:
    num_documents, num_terms = arrays["documents_terms"]
    dropped = arrays["documents_asked"] - num_documents
    members, share = arrays["topic_members"], arrays["topic_collections"]
    divergence, likelihood = arrays["divergence"], arrays["log_likelihood"]
    best, starts = int(arrays["best_start"]), len(divergence)
    own = members.max(axis=0).sum() / members.sum()
    leading = {str(arrays["collections"][c]) for c in share.argmax(axis=0)}
    without = [str(name) for name in arrays["collections"] if name not in leading]
    coverage = (
        "each collection is the largest of some topic"
        if not without
        else f"{', '.join(without)} is the largest of no topic"
    )
    apart = np.sum((np.diff(divergence, axis=1) <= 0) != (np.diff(likelihood, axis=1) >= 0))
    way = (
        f"between two records, both fall or both rise {apart} times" if apart else "whenever one falls the other rises"
    )
    return (
        "Yes. Let A, the counts divided by their total, sum to one, and also the columns of W, the diagonal of Σ and "
        "the rows of H. Then WΣH sums to one as well, −A + WΣH in (6.4) adds up to 0, and what is left is Σ A log A "
        "minus log L = Σ A log(WΣH). Σ A log A does not depend on the factors. "
        f"{proved(20)} Every W H has this form (jnmf.probabilities), and a multiplicative KL update makes Σσ = 1.\n\n"
        f"Below, σ is the diagonal of Σ. A is {num_documents} documents × {num_terms} terms (documents "
        f"without any of these terms, which are dropped: {dropped}), in {arrays['documents_dtype']}. "
        f"jnmf.MU(beta=1.0) ran {arrays['record_iters'][-1]} iterations from {starts} starts, which end with "
        f"divergences from {divergence[:, -1].min():.4f} to {divergence[:, -1].max():.4f}; start {best + 1} has the "
        "least and is shown. The first figure follows both sides (the thick lines are the start that is shown). From "
        f"the start to the end the divergence goes from {divergence[best, 0]:.4f} to {divergence[best, -1]:.4f} and "
        f"the log-likelihood from {likelihood[best, 0]:.4f} to {likelihood[best, -1]:.4f}: one falls by "
        f"{divergence[best, 0] - divergence[best, -1]:.6f}, the other rises by "
        f"{likelihood[best, -1] - likelihood[best, 0]:.6f}; {way}. The divergence is the library's sum over all "
        "entries, the likelihood was added up over the words that occur.\n\n"
        "The second figure and the tables show the topics. A column of the figure says how the words of a topic are "
        f"spread over the collections: {coverage}. A document goes to the topic with the largest P(topic | document); "
        f"{own:.0%} of them are then in a topic where their collection is the commonest. The fit has not seen the "
        "collections."
    )


def term_table(arrays: Arrays) -> Table:
    pairs = zip(arrays["topic_weight"], arrays["topic_terms"], strict=True)
    rows = [(str(k + 1), f"{weight:.3f}", ", ".join(terms)) for k, (weight, terms) in enumerate(pairs)]
    return Table(("topic", "P(topic)", "terms with the largest P(term | topic)"), rows, "Topics")


def member_table(arrays: Arrays) -> Table:
    members = arrays["topic_members"]
    rows = [(str(name), *map(str, row)) for name, row in zip(arrays["collections"], members, strict=True)]
    columns = ("collection", *(f"topic {k + 1}" for k in range(members.shape[1])))
    return Table(columns, rows, "Documents by their largest P(topic | document)")


# Figures


def plot(arrays: Arrays) -> dict[str, Any]:
    return {
        "penalty_paths": draw_paths(arrays),
        "penalty_parts": draw_parts(arrays),
        "sparsity": draw_sparsities(arrays),
        "step_sizes": draw_steps(arrays),
        "newton": draw_newton(arrays),
        "clusters": draw_clusters(arrays),
        "topics": draw_topics(arrays),
        "likelihood": draw_likelihood(arrays),
    }


def new_figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


PENALTIES = {"l1": r"l1: $\alpha\,(\sum W + \sum H)$", "l2": r"l2: $\alpha\,(\|W\|^2 + \|H\|^2)$"}
STYLES = {"ALS": {"color": BLUE, "marker": "o"}, "HALS": {"color": ORANGE, "marker": "^", "linestyle": "--"}}


def mean_sparsity(arrays: Arrays, method: str) -> np.ndarray:
    """(2, α): the mean over the components that are left; NaN where none is."""
    sparsity = arrays[f"{method}.sparsity"]
    left = np.isfinite(sparsity).sum(axis=2)
    return np.divide(np.nansum(sparsity, axis=2), left, out=np.full(left.shape, np.nan), where=left > 0)


def draw_paths(arrays: Arrays) -> Any:
    alphas = arrays["alphas"]
    rows = {
        "relative error": lambda method: arrays[f"{method}.error"],
        "sparsity of $W$,\nmean of columns": lambda method: mean_sparsity(arrays, method),
        "components left": lambda method: arrays[f"{method}.alive"],
    }
    figure = new_figure(7.2, 6.2)
    grid = figure.subplots(3, 2, sharex=True, sharey="row")
    for axes, (label, values) in zip(grid, rows.items(), strict=True):
        axes[0].set_ylabel(label)
        for i, ax in enumerate(axes):
            for method, style in STYLES.items():
                curve = values(method)[i]
                ax.plot(alphas[1:], curve[1:], **{"markersize": 4, "label": method, **style})
                ax.axhline(curve[0], color=style["color"], linestyle=":", linewidth=1, label=f"{method}, α = 0")
            if i == 1:
                ax.axvline(arrays["alpha_of_zero"], color=GREY, linewidth=0.8, label=r"$\alpha = \sigma_1/2$")
            ax.set_xscale("log")
            ax.grid(alpha=0.3)
    for ax, form in zip(grid[0], FORMS, strict=True):
        ax.set_title(PENALTIES[form], fontsize="medium")
    for ax in grid[2]:
        ax.set_xlabel(r"penalty $\alpha$")
    grid[0, 1].legend(fontsize=8, loc="upper left")
    return figure


def show_image(ax, image, shape, order: str, **style) -> Any:
    ax.set(xticks=[], yticks=[])
    return ax.imshow(image.reshape(shape, order=order), **{"cmap": "gray", "interpolation": "nearest", **style})


def draw_parts(arrays: Arrays) -> Any:
    parts, shown, alphas = arrays["parts"], arrays["shown_alphas"], arrays["alphas"]
    shape, order, num_parts = arrays["shape"], str(arrays["order"]), parts.shape[-1]
    figure = new_figure(7.2, 1.5 + 4.6 * 9 / max(num_parts, 9))
    for block, form, images, places in zip(figure.subfigures(2, 1), FORMS, parts, shown, strict=True):
        block.suptitle(PENALTIES[form], fontsize="medium")
        for axes, W, place in zip(block.subplots(len(places), num_parts), images, places, strict=True):
            axes[0].set_ylabel(f"α = {alphas[place]:.2g}", fontsize=8)
            for ax, w in zip(axes, W.T, strict=True):
                drawn = show_image(ax, w, shape, order, vmin=0, vmax=1)
        block.colorbar(drawn, ax=block.axes, label="entry of $W$, largest is 1", pad=0.01)
    return figure


def draw_sparsities(arrays: Arrays) -> Any:
    shape, order = arrays["shape"], str(arrays["order"])
    figure = new_figure(7.2, 3.4)
    bars, images = figure.subplots(2, len(LEVELS), height_ratios=(1, 1.4))
    for i, (ax, level) in enumerate(zip(bars, LEVELS, strict=True)):
        ax.bar(np.arange(1, 1 + arrays["vectors"].shape[1]), arrays["vectors"][i], color=BLUE)
        ax.set(title=f"s = {level:g}", ylim=(0, 1.05 * arrays["vectors"].max()), xticks=[])
        if i:
            ax.set_yticklabels([])
        show_image(images[i], arrays["images"][i], shape, order, vmin=0)
        images[i].set_xlabel(f"largest\nentry {arrays['images'][i].max():.2g}", fontsize=8)
    bars[0].set_ylabel("entry")
    images[0].set_ylabel("image")
    return figure


def draw_steps(arrays: Arrays) -> Any:
    from matplotlib.colors import PowerNorm

    figure = new_figure(7.2, 6)
    top, bottom = figure.subplots(2, 1, height_ratios=(1.6, 1))
    histogram, quantiles = np.asarray(arrays["step_histogram"]), arrays["step_quantiles"]
    iterations = np.arange(len(histogram))
    style = {"cmap": "gray_r", "norm": PowerNorm(0.5, 0, histogram.max())}  # so that the few small steps show
    mesh = top.pcolormesh(np.append(iterations, len(histogram)) - 0.5, BINS, histogram.T, **style)
    figure.colorbar(mesh, ax=top, label="fraction of the entries of $H$", pad=0.01)
    for values, label, dash in zip(quantiles, ("10 %", "median", "90 %"), (":", "-", "--"), strict=True):
        with np.errstate(divide="ignore"):
            top.plot(iterations, np.log10(values), color=ORANGE, linestyle=dash, label=label)
    top.axhline(0, color=BLUE, linestyle="-.", label="$1/L$, projected gradient")
    top.set(ylabel=r"$\log_{10}(\varepsilon_{ij}\,L)$", ylim=(BINS[0], BINS[-1]))
    top.legend(fontsize=8, loc="upper left", ncols=2)
    for name, color, dash, label in (
        ("MU", ORANGE, "-", "MU: step sizes of their own"),
        ("PGD", BLUE, "-.", "projected gradient: $1/L$ for all"),
    ):
        bottom.plot(arrays[f"{name}.loss"], color=color, linestyle=dash, label=label)
    bottom.set(xlabel="iteration", ylabel=r"$\frac{1}{2}\|A - WH\|^2$", yscale="log")
    bottom.grid(alpha=0.3, which="both")
    bottom.legend(fontsize=8)
    top.set_xlim(-0.5, len(histogram) - 0.5)
    bottom.set_xlim(-0.5, len(histogram) - 0.5)
    return figure


def draw_newton(arrays: Arrays) -> Any:
    figure = new_figure(7.2, 6.4)
    (hessian, landing), (small, path) = figure.subplots(2, 2)
    drawn = hessian.imshow(arrays["hessian"], cmap="gray_r", interpolation="nearest")
    figure.colorbar(drawn, ax=hessian, label="entry")
    hessian.set(title=r"$\nabla^2 F$ by autodiff", xlabel=r"entry of vec $H$", ylabel=r"entry of vec $H$")

    before = arrays["distance_before"]
    for key, color, marker, label in (
        ("distance_gradient", ORANGE, "^", "projected gradient step"),
        ("distance_after", BLUE, "o", "truncated Newton step"),
    ):
        landing.plot(before, arrays[key], color=color, marker=marker, linestyle="none", label=label)
    landing.set(xscale="log", yscale="log", title=f"one step from {len(before)} starts")
    landing.set(xlabel="distance to the ALS point before", ylabel="and after the step")
    landing.legend(fontsize=8, loc="center right")
    landing.grid(alpha=0.3)

    axes, ends, truncated = arrays["plane_axes"], arrays["plane_ends"], arrays["plane_truncated"]
    small.contour(*axes, arrays["plane_loss"], levels=12, colors=GREY, linewidths=0.6)
    small.axhline(0, color=BLACK, linewidth=0.8)
    small.axvline(0, color=BLACK, linewidth=0.8)
    for start, end in zip(arrays["plane_starts"], ends, strict=True):
        small.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": BLUE})
    small.plot(*arrays["plane_starts"].T, "o", color=BLUE, markersize=4, label="starts")
    small.plot(*ends[0], "s", color=BLACK, markersize=6, label="Newton, from each")
    small.plot(*truncated, "X", color=ORANGE, markersize=8, label="truncated: ALS")
    small.plot(*arrays["plane_best"], "*", color=GREEN, markersize=11, label="best $h ≥ 0$")
    small.set(xlabel="$h_1$", ylabel="$h_2$", title="two components, one column")
    small.set(xlim=axes[0, [0, -1]], ylim=axes[1, [0, -1]])
    small.legend(fontsize=8, loc="lower left")

    path.plot(arrays["ALS.loss"], color=BLUE, linewidth=3, alpha=0.5, label="projected ALS")
    path.plot(arrays["newton.loss"], color=BLACK, linestyle=":", marker="x", label="truncated Newton")
    path.set(xlabel="iteration", ylabel=r"$\frac{1}{2}\|A - WH\|^2$", title="iterates overlaid", yscale="log")
    path.grid(alpha=0.3, which="both")
    path.legend(fontsize=8)
    return figure


def draw_clusters(arrays: Arrays) -> Any:
    numbers, shape, order = arrays["num_clusters"], arrays["shape"], str(arrays["order"])
    labels, k = arrays["cluster_labels"], arrays["means"].shape[0]
    figure = new_figure(7.2, 5.4)
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.6, 1 + 0.6 * (k > 10)))
    curve, hard, soft = top.subplots(1, 3, width_ratios=(1.6, 1, 1))
    curve.plot(numbers, arrays["inertia"], color=BLUE, label="k-means")
    exact = {"color": BLACK, "marker": "x", "linestyle": "none"}
    curve.plot(numbers, arrays["k_means_objective"], **exact, label=r"$\|A - GM\|^2$")
    curve.plot(numbers, arrays["nmf_objective"], color=ORANGE, marker="^", linestyle="--", label="NMF from there")
    curve.plot(numbers, arrays["svd_objective"], color=GREY, linestyle=":", label="truncated SVD")
    curve.set(xlabel="clusters, components $k$", ylabel=r"squared error, in the unit of $A^2$", ylim=(0, None))
    curve.xaxis.get_major_locator().set_params(integer=True)
    curve.grid(alpha=0.3)
    curve.legend(fontsize=8, loc="lower left")
    rows, largest = np.argsort(labels, kind="stable"), max(arrays["G"].max(), arrays["nmf_W"].max())
    for ax, matrix, title in ((hard, arrays["G"], "$G$ of k-means"), (soft, arrays["nmf_W"], "$W$ of the NMF")):
        style = {"cmap": "gray_r", "aspect": "auto", "interpolation": "nearest"}
        drawn = ax.imshow(matrix[rows], vmin=0, vmax=largest, **style)
        ax.set(title=title, xlabel="component", xticks=[])
    hard.set_ylabel("image, sorted by cluster")
    soft.set_yticks([])
    top.colorbar(drawn, ax=[hard, soft], label="entry, columns of length one", pad=0.02)
    columns = min(k, 10)
    for c, ax in enumerate(bottom.subplots(-(-k // columns), columns, squeeze=False).flat):
        if c >= k:
            ax.set_axis_off()
            continue
        drawn = show_image(ax, arrays["means"][c], shape, order, vmin=0, vmax=1)
        ax.set_title(f"{np.sum(labels == c)}", fontsize=8)
    bottom.suptitle("cluster means, and how many images they have", fontsize="medium")
    bottom.colorbar(drawn, ax=bottom.axes, label="intensity", pad=0.01)
    return figure


def draw_topics(arrays: Arrays) -> Any:
    share, collections = arrays["topic_collections"], arrays["collections"]
    figure = new_figure(6.5, 0.6 * len(collections) + 1.6)
    ax = figure.subplots()
    drawn = ax.imshow(share, cmap="gray_r", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(share):
        ax.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.5 else "black")
    names = [f"{k + 1}\n" + "\n".join(terms[:3]) for k, terms in enumerate(arrays["topic_terms"])]
    ax.set(xticks=range(share.shape[1]), yticks=range(len(collections)), xlabel="topic and its first terms")
    ax.set_xticklabels(names, fontsize=8)
    ax.set_yticklabels(collections)
    figure.colorbar(drawn, ax=ax, label="share of the topic's words")
    return figure


def lockstep(arrays: Arrays) -> np.ndarray:
    """(start, record): how far divergence + log-likelihood is from Σ A log A, relative to that."""
    total = arrays["divergence"] + arrays["log_likelihood"]
    return np.abs(total / arrays["entropy_term"] - 1)


def draw_likelihood(arrays: Arrays) -> Any:
    iterations, best = arrays["record_iters"], int(arrays["best_start"])
    figure = new_figure(8.4, 3)
    divergence, likelihood, both = figure.subplots(1, 3)
    for i in range(len(arrays["divergence"])):
        width = {"linewidth": 2.2 if i == best else 0.9}
        divergence.plot(iterations, arrays["divergence"][i], color=ORANGE, **width)
        likelihood.plot(iterations, arrays["log_likelihood"][i], color=BLUE, **width)
        both.plot(arrays["divergence"][i], arrays["log_likelihood"][i], "o", color=BLACK, markersize=3)
    ends = np.array([arrays["divergence"].min(), arrays["divergence"].max()])
    line = r"$\sum A\log A - D_{GKL}$"
    both.plot(ends, arrays["entropy_term"] - ends, color=GREY, linewidth=0.8, label=line)
    divergence.set(xlabel="iteration", ylabel=r"$D_{GKL}(A \Vert W\Sigma H)$", title="divergence")
    likelihood.set(xlabel="iteration", ylabel=r"$\sum A \log W\Sigma H$", title="log-likelihood of a word")
    both.set(xlabel="divergence", ylabel="log-likelihood", title="one against the other")
    both.legend(fontsize=8)
    for ax in (divergence, likelihood, both):
        ax.grid(alpha=0.3)
    return figure
