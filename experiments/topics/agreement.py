"""How the topics agree with the collections that the documents come from."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from experiments.figures import panels
from experiments.study import Arrays, Section
from experiments.topics import Given, Settings, mixture
from experiments.words import counted, decided, flowing, listed, percent, span
from jnmf.plot import BLUE, ORANGE


def compute(settings: Settings, given: Given) -> dict[str, Any]:
    """tables (S, C, r): of each start, how many documents of a collection have a topic as their first, in the order of
    the words of all documents for the best start."""
    labels, num_collections = given.documents.labels, len(given.documents.collections)
    lengths = np.asarray(given.documents.X.sum(axis=1))
    tables = []
    for member in members(given.sweep):
        share, _ = mixture(member)
        share = share[:, np.argsort(-(lengths @ share), kind="stable")]
        first = share.argmax(axis=1)
        table = np.zeros((num_collections, share.shape[1]), int)
        np.add.at(table, (labels, first), 1)
        tables.append(table)
    return {"tables": np.stack(tables)}


def members(sweep) -> list:
    """The factors of each start."""
    (found,) = sweep.members
    return list(zip(found.W, found.H, strict=True))


def purity(table) -> float:
    """The share of documents in a topic where their collection is the commonest."""
    return table.max(axis=0).sum() / table.sum()


def mutual_information(table) -> float:
    """I(collection; topic) over the mean of both entropies: 0 of independent ones, 1 where each tells the other."""
    joint = table / table.sum()
    entropy = lambda p: -np.sum(p * np.log(p, where=p > 0, out=np.zeros_like(p)))
    of_rows, of_columns = entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))
    shared = max(of_rows + of_columns - entropy(joint), 0)
    return 2 * shared / max(of_rows + of_columns, np.finfo(float).tiny)


def scores(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Purity and normalised mutual information of each start."""
    tables = arrays["tables"]
    return np.array([purity(table) for table in tables]), np.array([mutual_information(table) for table in tables])


def plot(arrays: Arrays) -> dict[str, Any]:
    best, (pure, informed) = int(np.argmin(arrays["loss"])), scores(arrays)
    table = arrays["tables"][best]
    share = table / np.maximum(table.sum(axis=1), 1)[:, None]
    loss = arrays["loss"] / arrays["num_words"]
    figure, (left, right) = panels(8.4, 3.2, 1, 2, width_ratios=(1.3, 1))
    drawn = left.imshow(share, cmap="gray_r", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(share):
        left.text(j, i, table[i, j], ha="center", va="center", color="white" if value > 0.5 else "black")
    left.set_xticks(range(share.shape[1]), [f"{k + 1}" for k in range(share.shape[1])])
    left.set_yticks(range(len(share)), arrays["collections"])
    left.set(xlabel="first topic", title="documents, best start")
    figure.colorbar(drawn, ax=left, label="share of the collection")
    right.plot(loss, informed, "o", color=BLUE, label="mutual information")
    right.plot(loss, pure, "s", color=ORANGE, label="purity")
    right.set(xlabel="KL divergence per word of X", ylim=(0, 1.02), title="every start")
    right.grid(alpha=0.3)
    right.legend(fontsize="small")
    return {"agreement": figure}


def sections(arrays: Arrays) -> list[Section]:
    best, (pure, informed), names = int(np.argmin(arrays["loss"])), scores(arrays), arrays["collections"]
    table = arrays["tables"][best]
    guess = table.sum(axis=1).max() / table.sum()  # of one topic for all
    than_one = "than one topic for all would be"
    verdict = decided(pure - guess, 1e-9, f"Better {than_one}", f"No better {than_one}", "Not from every start")
    commonest = table.argmax(axis=0)[table.sum(axis=0) > 0]
    without = [str(name) for c, name in enumerate(names) if c not in commonest]
    divided = [str(name) for c, name in enumerate(names) if np.sum(commonest == c) > 1]
    coverage = (
        f"{listed(without)} {'are' if len(without) > 1 else 'is'} the commonest of no topic"
        if without
        else ("Each collection is the commonest of a topic")
    )
    more = f", {listed(divided)} of more than one" if divided else ""
    answer = f"""{verdict}: from {counted(len(pure), "start")} {percent(pure)} of the documents are in a topic where
        their collection is the commonest (their purity; one topic for all would have {percent(guess)}), and topic and
        collection share {span(informed, ".2f")} of what they say (mutual information over the mean of both entropies;
        1: each tells the other, 0: neither). The fit that is shown, of the least divergence, has {percent(pure[best])}
        and {informed[best]:.2f}. {coverage}{more}. {ranked(arrays["loss"], informed)}

        A document is counted with the topic that has most of its words, the largest P(topic | document). No fit has
        seen the collections. Numbers in the figure are documents, grey is their share of the collection."""
    return [Section("Do the topics agree with the collections?", flowing(answer), ("agreement",))]


def ranked(loss, informed) -> str:
    """Whether starts of lower divergence agree more, by Spearman's rank correlation at 5 %."""
    if len(loss) < 5 or np.ptp(loss) == 0 or np.ptp(informed) == 0:
        return ""
    found: Any = spearmanr(loss, informed)
    if found.pvalue > 0.05:
        return f"A lower divergence is no sure sign of more agreement (rank correlation {found.statistic:.2f})."
    more = "more" if found.statistic < 0 else "less"
    return f"Starts that end with a lower divergence agree {more} (rank correlation {found.statistic:.2f})."
