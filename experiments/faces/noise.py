"""Which error measure suits which noise, and what a low rank does to noise."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import jnmf
from experiments.faces import Given, Settings
from experiments.faces.methods import HALS, KL, after, nmf
from experiments.measures import relative_error
from experiments.study import Arrays, Section, Table
from experiments.words import listed, sure

NOISES, FITS = ("Gaussian", "Poisson"), ("½‖X − WH‖²", "KL divergence")


def compute(settings: Settings, given: Given) -> Arrays:
    """noise_error (2, repeats, 2), likelihood_gap (2,): see `noises`; filtered (3,): see `noise_filtered`."""
    return {**noises(settings), "filtered": noise_filtered(given.forms["book"].X, settings)}


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


def sections(arrays: Arrays) -> list[Section]:
    return [
        Section(
            "What is a low-rank approximation for, and which error measure suits which noise?",
            uses_answer(arrays),
            tables=(noise_table(arrays),),
        )
    ]


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
    if sure(min(nearer) - repeats / 2, np.sqrt(repeats) / 2):
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
