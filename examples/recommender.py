"""Ratings, most of them missing: what is not stored is unknown, not zero, and held-out ratings choose the rank."""

import numpy as np
import scipy.sparse

import jnmf

rng = np.random.default_rng(0)
users, films, rank, share = 300, 150, 3, 0.15
taste, traits = rng.gamma(1.0, 1.0, (users, rank)), rng.gamma(1.0, 0.6, (rank, films))
opinion = np.clip(taste @ traits + 0.3 * rng.standard_normal((users, films)), 0.5, 5).astype("float32")
seen, shown = rng.random((users, films)) < share, rng.random((users, films)) < 0.9
ratings = scipy.sparse.coo_array(np.where(seen & shown, opinion, 0)).tocsr()
print(f"{ratings.nnz} ratings, {100 * ratings.nnz / (users * films):.0f} % of all")


def error(factors):
    """The error of the ratings that were left out."""
    residual = np.asarray(factors.W @ factors.H) - opinion
    return np.sqrt(np.mean(residual[seen & ~shown] ** 2))


algorithm = jnmf.Extrapolated(jnmf.HALS(l2_W=0.3, l2_H=0.3))
study = jnmf.cross_validate(ratings, range(2, 6), num_restarts=2, algorithm=algorithm, mask="stored", max_iters=100)
found = jnmf.fit(ratings, study.rank, algorithm, mask="stored")
as_zeros = jnmf.fit(ratings, study.rank, algorithm)
mean = ratings.data.mean()
print(f"rank {study.rank} by cross-validation")
print(f"error of unseen ratings when only the stored ones count: {error(found):.3f}")
print(f"when the others are taken for zeros: {error(as_zeros):.3f}")
print(f"when every rating is predicted by the mean: {np.sqrt(np.mean((opinion[seen & ~shown] - mean) ** 2)):.3f}")

user = 0
unseen = np.flatnonzero(~seen[user])
predicted = np.asarray(found.W[user] @ found.H)[unseen]
print("films to show the first user next:", unseen[np.argsort(-predicted)[:5]])
jnmf.plot.cross_validation(study)
