"""Genes in cells: from an AnnData to the programs that many restarts agree on, and back into it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse

import jnmf

try:
    from anndata import AnnData  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError:  # stand in for it with what jnmf uses of one
    AnnData: Any = SimpleNamespace

rng = np.random.default_rng(0)
cells, genes, programs = 300, 200, 4
usage = rng.dirichlet(np.full(programs, 0.3), cells) * rng.integers(300, 900, cells)[:, None]
spectra = rng.dirichlet(np.full(genes, 0.05), programs)
counts = scipy.sparse.csr_array(rng.poisson(usage @ spectra).astype("float32"))
adata: Any = AnnData(
    X=counts,
    obs=pd.DataFrame(index=[f"cell{i}" for i in range(cells)]),
    var=pd.DataFrame(index=[f"gene{j}" for j in range(genes)]),
)
if AnnData is SimpleNamespace:
    adata.obs_names, adata.var_names, adata.obsm, adata.varm, adata.uns = adata.obs.index, adata.var.index, {}, {}, {}

kl = jnmf.MU(beta=1.0)
study = jnmf.sweep(adata, [programs], num_restarts=8, algorithm=kl, max_iters=200)
agreed = jnmf.consensus_components(adata, study, programs, kl)
print(f"{agreed.kept.mean():.3f} of the components of all restarts are kept, silhouette {agreed.silhouette:.3f}")
print(f"similarity to the true programs: {jnmf.similarity(spectra.T.astype('float32'), agreed.factors.H.T):.3f}")
jnmf.to_anndata(agreed.factors, adata)
print("obsm", adata.obsm["X_nmf"].shape, "varm", adata.varm["nmf"].shape)
tops = jnmf.top_features(agreed.factors, 5, names=adata)
for top in tops:
    print(", ".join(gene for gene, _ in top))
jnmf.plot.top_features(tops)
