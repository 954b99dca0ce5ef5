"""The leading words of each topic."""

from typing import Any

import numpy as np

from experiments.figures import panels
from experiments.study import Arrays, Section
from experiments.topics import Given, Settings, mixture
from experiments.words import counted, flowing, listed, percent, span
from jnmf.plot import BLUE


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """Of the best start, for r topics, the most frequent first: weight (r,), the share of all words; words and chance
    (r, k), the terms with the largest P(term | topic), and these."""
    best = given.sweep.best(settings.num_topics)
    share, chance = mixture(best)
    lengths = np.asarray(given.documents.X.sum(axis=1))
    weight = lengths @ share / lengths.sum()
    order = np.argsort(-weight, kind="stable")
    first = np.argsort(-chance[order], axis=1, kind="stable")[:, : settings.num_words]
    return {
        "weight": weight[order],
        "words": given.documents.terms[first],
        "chance": np.take_along_axis(chance[order], first, axis=1),
    }


def plot(arrays: Arrays) -> dict[str, Any]:
    weight, words, chance = (arrays[name] for name in ("weight", "words", "chance"))
    r, k = words.shape
    rows = -(-r // 4)
    figure, axes = panels(8.4, (0.19 * k + 0.8) * rows, rows, min(r, 4), squeeze=False, sharex=True)
    for i, ax in enumerate(axes.flat):
        if i >= r:
            ax.set_axis_off()
            continue
        ax.barh(np.arange(k), 100 * chance[i], color=BLUE)
        ax.set_yticks(np.arange(k), words[i], fontsize="small")
        ax.set(title=f"topic {i + 1}: {percent(weight[i])} of words", ylim=(k - 0.5, -0.5))
        ax.title.set_fontsize("small")
    figure.supxlabel("share of the topic's words that are this one, %", fontsize="small")
    return {"words": figure}


def sections(arrays: Arrays) -> list[Section]:
    (m, n), words, weight, loss = arrays["shape"], arrays["words"], arrays["weight"], arrays["loss"]
    r, k = words.shape
    names, of_how_many = np.unique(words, return_counts=True)
    shared = names[of_how_many > 1]
    apart = (
        "No word is among the first of two topics."
        if not shared.size
        else (
            f"{counted(shared.size, 'word')} of the {names.size} shown lead more than one topic: {listed(shared[:12])}"
            f"{' and more' if shared.size > 12 else ''}."
        )
    )
    topics = "; ".join(
        f"{', '.join(of_one[:5])} ({percent(w)} of all words)" for of_one, w in zip(words, weight, strict=True)
    )
    answer = f"""The best of {counted(len(loss), "start")} finds {topics}. {apart} The first {k} words of a topic are
        {percent(arrays["chance"].sum(axis=1))} of its words.

        X has the counts of {n} stemmed terms in {m} abstracts, {arrays["num_words"]:.0f} words;
        {arrays["num_stored"] / (m * n):.2%} of its entries are not zero, and only these are stored:
        `jnmf.sweep(X, [{r}], algorithm=jnmf.MU(beta=1.0))` of a SciPy matrix makes no array of its shape. Of W H with
        rows that sum to one, W holds P(topic | document) and H P(term | topic): the KL divergence is then, up to a
        constant, minus the log-likelihood of the words (statement 20). {arrays["num_iters"]} iterations end with
        divergences of {span(loss, ".6g")}."""
    return [Section("What are the topics of the abstracts?", flowing(answer), ("words",))]
