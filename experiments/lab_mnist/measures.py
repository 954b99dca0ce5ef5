"""What is measured of images, of components, and of sums of them."""

import numpy as np

import jnmf

STROKE = 1.6  # an image this many times as long as wide is called a stroke
BRIGHT = 0.4  # of the largest entry: what is fainter is not taken for the stroke, though far away it would turn it


def hoyer_of(matrices) -> list[np.ndarray]:
    """Hoyer's sparsity of the columns of each matrix (m, …), in one program for all."""
    every = np.asarray(jnmf.hoyer_sparsity(np.hstack(matrices), axis=0))
    return np.split(every, np.cumsum([A.shape[1] for A in matrices])[:-1])


def spread(W, shape: tuple[int, int], order) -> np.ndarray:
    """How far the mass of each column of W (m, k) ≥ 0, an image, lies from its centre: (k,), in pixels.

    With p_i = w_i / Σ w and the place x_i of pixel i: the centre is c = Σ p_i x_i, the spread sqrt(Σ p_i ‖x_i − c‖²).
    0 for a single pixel; NaN for a blank image.
    """
    places = np.stack([axis.reshape(-1, order=order) for axis in np.indices(shape)])
    mass = W.sum(axis=0)
    p = np.divide(W, mass, out=np.full(W.shape, np.nan), where=mass > 0)
    squares = np.sum(places**2, axis=0) @ p - np.sum((places @ p) ** 2, axis=0)
    return np.sqrt(np.maximum(squares, 0))  # that of a single pixel may round below 0


def features(W, shape: tuple[int, int], order, bright: float = BRIGHT) -> np.ndarray:
    """Where the ink of each column of W (m, k) ≥ 0, an image, lies, and how: (k, 4); NaN for a blank image.

    Ink is what has at least `bright` of the largest entry of the column.
    Row and column of its centre; the length over the width, the square root of the ratio of the eigenvalues of the
    covariance of the ink; the direction of its length, the angle with the rows in degrees, from −90 to 90, positive
    where it rises to the right.
    """
    places = np.stack([axis.reshape(-1, order=order) for axis in np.indices(shape)]).astype(float)
    found = np.full((W.shape[1], 4), np.nan)
    for k in np.flatnonzero(W.sum(axis=0) > 0):
        ink = np.where(W[:, k] >= bright * W[:, k].max(), W[:, k], 0)
        p = ink / ink.sum()
        centre = places @ p
        about = places - centre[:, None]
        values, vectors = np.linalg.eigh((about * p) @ about.T + np.eye(2) / 12)  # a pixel has an extent, too
        down, right = vectors[:, 1]
        angle = (np.degrees(np.arctan2(-down, right)) + 90) % 180 - 90
        found[k] = *centre, np.sqrt(values[1] / values[0]), angle
    return found


def found_again(small, large) -> float:
    """The mean over the columns of `small` (m, k) of |cos| with the column of `large` (m, l) that is most like it."""
    small, large = (A / np.maximum(np.linalg.norm(A, axis=0), np.finfo(float).tiny) for A in (small, large))
    return float(np.mean(np.max(np.abs(small.T @ large), axis=1)))


def starts_alike(W) -> float:
    """How well the components of the first start are found again in those of the others; W (S, m, r)."""
    return float(np.mean([found_again(W[0], other) for other in W[1:]]))
