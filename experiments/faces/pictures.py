"""The pictures that are factorised."""

import numpy as np

from experiments import data
from experiments.faces import CBCL, OLIVETTI, Settings


def chosen(settings: Settings) -> tuple[dict[str, data.Images], dict[str, data.Images]]:
    """The two sets in [0, 1], and the three forms of them that are factorised."""
    cbcl = data.or_stand_in(data.cbcl, data.cbcl_like)
    olivetti = data.or_stand_in(data.olivetti, data.olivetti_like)
    P, olivetti = cbcl.X[:, : settings.num_faces], olivetti._replace(X=olivetti.X[:, : settings.num_faces])
    fewest = min(P.shape[1], olivetti.X.shape[1])
    if not 0 <= settings.face < fewest:
        raise ValueError(f"face: expected a picture from 0 to {fewest - 1}, got {settings.face}")
    if not 1 <= settings.rank <= fewest:
        raise ValueError(f"rank: expected 1 to {fewest}, as many as there are pictures, got {settings.rank}")
    if not 1 <= settings.olivetti_height <= olivetti.shape[0]:
        raise ValueError(f"olivetti_height: expected 1 to {olivetti.shape[0]}, got {settings.olivetti_height}")
    forms = {
        "book": cbcl._replace(X=data.cbcl_book(P)),
        "lee_seung": cbcl._replace(X=data.cbcl_lee_seung(P)),
        "olivetti": shrunk(olivetti, (settings.olivetti_height, settings.olivetti_height)),
    }
    return {CBCL: cbcl._replace(X=P / 255), OLIVETTI: olivetti}, forms


def shrunk(images: data.Images, shape: tuple[int, int]) -> data.Images:
    """The images with fewer pixels: each is the mean of what it covers, by area. Their sum over the area is kept."""
    height, width = (covered(*sizes) for sizes in zip(images.shape, shape, strict=True))
    pictures = images.X.T.reshape(-1, *images.shape[:: -1 if images.order == "F" else 1])
    if images.order == "F":
        pictures = pictures.transpose(0, 2, 1)
    small = np.einsum("ap,npq,bq->nab", height, pictures, width, optimize=True)
    X = np.stack([picture.ravel(order=images.order) for picture in small], axis=1)
    return images._replace(X=X, shape=shape)


def covered(before: int, after: int) -> np.ndarray:
    """(after, before): the share of new pixel i that old pixel p makes up, on a line of either; rows sum to 1."""
    edges = np.arange(after + 1) * before / after
    starts = np.maximum(edges[:-1, None], np.arange(before))
    ends = np.minimum(edges[1:, None], np.arange(before) + 1)
    return np.maximum(ends - starts, 0) * after / before
