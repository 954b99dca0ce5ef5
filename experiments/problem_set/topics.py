"""Problem 6: pLSA as NMF with the KL divergence."""

from typing import Any

import jax
import numpy as np
from jax import lax
from scipy import sparse

import jnmf
from experiments import data
from experiments.figures import blank
from experiments.problem_set import Given, Settings, checks, proved, recorded
from experiments.study import Arrays, Section, Table, tracked
from jnmf import Factors
from jnmf.plot import BLACK, BLUE, GREY, ORANGE

KL = jnmf.MU(beta=1.0)


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """KL-NMF of the counts from several starts, with what the likelihood and the divergence do on the way."""
    documents = given.documents
    chosen, terms, labels = selected(documents, settings)
    P = sparse.coo_array(chosen / chosen.sum())
    A = jnmf.sparse(P)
    keys = tracked(range(settings.seed, settings.seed + settings.num_starts), "problem 6, starts", given.progress)
    starts = (jnmf.init.random(key, A, settings.num_topics) for key in keys)
    paths = [recorded(A, start, KL, settings.topic_iters, settings.record_every) for start in starts]
    divergence, log_likelihood, weight_sum = np.stack([measures(P, A, path) for path in paths], axis=1)
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
        "documents_dtype": str(A.dtype),
        "collections": documents.collections,
        "record_iters": np.arange(0, settings.topic_iters + 1, settings.record_every),
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


def measures(P: sparse.coo_array, A, path: Factors) -> np.ndarray:
    """(3, records): D_KL(P, W diag(σ) H), the log-likelihood Σ P log(W diag(σ) H), and Σσ.

    The divergence is the library's, of P as a sparse matrix A, over all entries; the likelihood is added up here, over
    those that are not zero.
    """
    mixture, divergence, weight_sum = mixtures(A, path)
    i, j = P.coords
    log_likelihood = [
        np.sum(P.data * np.log(np.einsum("ek,ke->e", W[i], H[:, j])))
        for W, H in zip(*(np.asarray(A) for A in mixture), strict=True)
    ]
    return np.array([divergence, log_likelihood, weight_sum])


def plot(arrays: Arrays) -> dict[str, Any]:
    return {"topics": draw_topics(arrays), "likelihood": draw_likelihood(arrays)}


def draw_topics(arrays: Arrays) -> Any:
    share, collections = arrays["topic_collections"], arrays["collections"]
    figure = blank(6.5, 0.6 * len(collections) + 1.6)
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


def draw_likelihood(arrays: Arrays) -> Any:
    iterations, best = arrays["record_iters"], int(arrays["best_start"])
    figure = blank(8.4, 3)
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


def sections(arrays: Arrays) -> list[Section]:
    return [
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
        )
    ]


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
        "entries, of which the zeros follow from the sums of W and H; the likelihood was added up over the "
        "words that occur.\n\n"
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


def lockstep(arrays: Arrays) -> np.ndarray:
    """(start, record): how far divergence + log-likelihood is from Σ A log A, relative to that."""
    total = arrays["divergence"] + arrays["log_likelihood"]
    return np.abs(total / arrays["entropy_term"] - 1)
