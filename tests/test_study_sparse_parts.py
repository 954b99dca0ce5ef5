"""The study of one question: what a penalty does, and that the answer follows the numbers."""

import numpy as np
from every_study import *

from experiments import sparse_parts as study

MISSING, IMPOSSIBLE = ("cbcl",), [({"rank": 0}, "rank: expected"), ({"penalties": (-1.0,)}, "l1_W: expected")]
FACTS = {
    "a penalty costs": lambda a: a.error[-1].min() > a.error[0].max(),
    "and takes parts away": lambda a: a.left[0].min() == study.TINY.rank > a.left[-1].max(),
    "the sparsity is in its range": lambda a: (a.sparsity >= 0) & (a.sparsity <= 1),
}
LEFT, SPARSER = np.full((3, 2), 4), np.array([[0.2, 0.3], [0.1, 0.1], [0.4, 0.5]])
LESS = SPARSER[[0, 2, 1]] + [[0, 0], [0, 0], [0, 1]]
WORDS = [
    ("How sparse", {"left": LEFT, "sparsity": SPARSER}, "^Sparser from every start"),
    ("How sparse", {"left": LEFT, "sparsity": LESS}, "^Not surely sparser"),
    ("How sparse", {"left": np.where(np.arange(3)[:, None] > 0, 3, LEFT)}, "at λ = 0, against"),
    ("How sparse", {"left": [[4, 4], [4, 4], [1, 3]]}, "At the largest λ, 1 to 3 of 4 parts are left"),
]
