"""How many topics predict counts that were held out."""

from functools import partial
from typing import Any

import jax
import numpy as np

import jnmf
from experiments.figures import panels
from experiments.study import Arrays, Section, tracked
from experiments.topics import KL, Given, Settings, mixture
from experiments.words import counted, decided, flowing, listed, span, sure
from jnmf import holdout, matrix
from jnmf.plot import BLUE, ORANGE


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """For R ranks and S hold-outs train and test, the perplexity of the counts that were fitted and held out (R, S).

    The hold-outs are those of `jnmf.cross_validate`: of a sparse X a list of places, zeros in their proportion.
    held_out (S, 3): places, those with a count, and words of each. Raises ValueError for less than two.
    """
    X, S = given.X, settings.num_holdouts
    if S < 2:
        raise ValueError(f"num_holdouts: expected at least 2, got {S}")
    keys = jax.random.split(jax.random.key(settings.seed), S)
    own, found, held_out = holdout.drawn(X, keys, holdout.fraction(settings.holdout)), [], []
    for s in tracked(range(S), "topics, hold-outs", given.progress):
        fitted, held = holdout.split(X, jax.tree.map(lambda a, s=s: a[s], own))
        counts, start = [counts_of(part) for part in (fitted.X, held.X)], partial(jnmf.init.random, settings.seed + s)
        fits = (jnmf.run(fitted, start(fitted, r), KL, num_iters=settings.num_iters)[0] for r in settings.ranks)
        found.append([[perplexity(part, fit) for part in counts] for fit in fits])
        held_out.append((matrix.size(held), counts[1][2].size, counts[1][2].sum()))
    train, test = np.array(found).transpose(2, 1, 0)
    return {"ranks": settings.ranks, "train": train, "test": test, "held_out": held_out}


def counts_of(X) -> tuple[np.ndarray, ...]:
    """Documents, terms and counts of the entries of a sparse matrix that are not 0."""
    rows, columns, values = (np.asarray(a) for a in (X.by_row.rows, X.by_row.columns, X.by_row.values))
    return tuple(a[values != 0] for a in (rows, columns, values))


def perplexity(counts, factors) -> float:
    """exp(−Σ x log p / Σ x), p = P(term | document) of the model, W H with rows that sum to one; at least the least
    positive number, which a p may be rounded to 0 from."""
    (i, j, x), (share, chance) = counts, mixture(factors)
    p = sum(share[i, k] * chance[k, j] for k in range(len(chance)))
    return float(np.exp(-np.sum(x * np.log(np.maximum(p, np.finfo(float).tiny))) / np.sum(x)))


def plot(arrays: Arrays) -> dict[str, Any]:
    ranks = arrays["ranks"]
    figure, ax = panels(6, 3.4)
    for name, label, color in (
        ("train", "counts that were fitted", BLUE),
        ("test", "counts that were held out", ORANGE),
    ):
        ax.plot(ranks, arrays[name], "o", color=color, markersize=3)
        ax.plot(ranks, mean(arrays[name]), color=color, label=label)
    ax.set(xscale="log", ylim=(0, None), xlabel="number of topics", ylabel="perplexity")
    ax.set_xticks(ranks, [str(r) for r in ranks])
    ax.minorticks_off()
    ax.legend(fontsize="small")
    ax.grid(alpha=0.3)
    return {"perplexity": figure}


def mean(scores) -> np.ndarray:
    """The geometric mean over the hold-outs: that of the log-likelihood of a word."""
    return np.exp(np.mean(np.log(scores), axis=-1))


def sections(arrays: Arrays) -> list[Section]:
    ranks, train, test, (m, n) = arrays["ranks"], arrays["train"], arrays["test"], arrays["shape"]
    best, level = int(np.argmin(mean(test))), mean(test)
    places, hits, words = (span(arrays["held_out"][:, i], ".0f") for i in range(3))
    later = "" if best == len(ranks) - 1 else f" and is {level[-1]:.0f} at {ranks[-1]}"
    falls = decided(np.diff(np.log(train), axis=0), 0, "rises", "falls", "does not always fall")
    answer = f"""{verdict(arrays)} The perplexity of the counts that were fitted {falls} with the number of topics, from
        {mean(train)[0]:.0f} to {mean(train)[-1]:.0f}; that of the counts that were held out goes from {level[0]:.0f} to
        {level[best]:.0f} at {counted(ranks[best], "topic")}{later}.

        Perplexity is exp(−Σ x log p / Σ x) over counts x, p = P(term | document), the rows of W H made to sum to one:
        so many terms, all alike, would be as hard to guess; without a model there are {n}. Points are hold-outs, lines
        their geometric means. A hold-out is {places} of the {m * n} entries, wherever they are, as
        `jnmf.cross_validate` draws them of a sparse X, and is kept as a list. {hits} of them have a count, {words}
        words. Zeros have to be among them, in their proportion: that a word is absent is seen, too. With mask="stored"
        only what is stored would count: a model of how often a word occurs where it does, which says nothing of
        P(term | document)."""
    question = "How many topics predict words that were held out?"
    return [Section(question, flowing(answer), ("perplexity",))]


def verdict(arrays: Arrays) -> str:
    """The number of topics of least perplexity, and which others are not surely worse on the same hold-outs."""
    ranks, scores = arrays["ranks"], np.log(arrays["test"])
    best = int(np.argmin(scores.mean(axis=1)))
    worse = scores - scores[best]
    error = worse.std(axis=1, ddof=1) / np.sqrt(worse.shape[1])
    others = [str(r) for i, r in enumerate(ranks) if i != best and not sure(worse[i].mean(), error[i])]
    near = (
        f"{listed(others)} {'are' if len(others) > 1 else 'is'} not surely worse"
        if others
        else ("all other numbers are surely worse")
    )
    edge = ", the most that were tried" if best == len(ranks) - 1 else ""
    return f"{ranks[best]}{edge}: there held-out words are the least surprising, and {near}."
