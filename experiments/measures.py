"""What more than one study measures of factors."""

import numpy as np


def relative_error(X, Z) -> float:
    """‖X − Z‖ / ‖X‖."""
    return float(np.linalg.norm(X - Z) / np.linalg.norm(X))


def cancelled(W, H) -> float:
    """1 − Σ|WH| / Σ|W||H|, the share of what the components add to and take from the entries that cancels: 0 where the
    terms of each entry have one sign, near 1 where they almost cancel."""
    return float(1 - np.abs(W @ H).sum() / (np.abs(W) @ np.abs(H)).sum())
