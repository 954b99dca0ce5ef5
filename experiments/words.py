"""The small words of the answers: lists, ranges, counts, shares, and what may be said of a difference.

listed(texts)                     a, b and c
span(values, spec)                the least to the largest
counted(number, noun)             1 start, 2 starts
percent(shares, digits)           12 %, or 12 to 30 %
paragraphs(*texts), flowing(text) an answer from its paragraphs; from text broken into lines
decided(values, limit, …)         what all starts agree on, or that they do not
sure(difference, error)           whether a difference is beyond what chance would give
"""

import re
from collections.abc import Iterable

import numpy as np


def listed(texts: Iterable[str], none: str = "none") -> str:
    """a, b and c; `none` where there is nothing."""
    *first, last = list(texts) or [none]
    return f"{', '.join(first)} and {last}" if first else last


def span(values, spec: str = ".3g") -> str:
    """The least and the largest: "2 to 5", or "2" where they read the same."""
    return " to ".join(dict.fromkeys(format(value, spec) for value in (np.min(values), np.max(values))))


def counted(number, noun: str) -> str:
    """1 start, 2 starts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def percent(shares, digits: int = 0) -> str:
    """12 %, or 12 to 30 %, with so many decimals."""
    return f"{span(100 * np.asarray(shares), f'.{digits}f')} %"


def paragraphs(*texts: str) -> str:
    """Those that are not empty, apart by empty lines."""
    return "\n\n".join(text for text in texts if text)


def flowing(text: str) -> str:
    """Paragraphs, apart by empty lines, each on one line."""
    return paragraphs(*(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip())))


def decided(values, limit: float, above: str, below: str, undecided: str) -> str:
    """`above` where all the values are above the limit, `below` where all are below it; else they do not agree, as
    where one is NaN."""
    return above if np.min(values) > limit else below if np.max(values) < limit else undecided


def sure(difference, error) -> bool:
    """Whether a difference is more than twice its standard error."""
    return bool(difference > 2 * error)
