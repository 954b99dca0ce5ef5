"""Names in and out: from a DataFrame or an AnnData to the factors, through jit and files, and back."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from support import M, N, R, problem

import jnmf
from jnmf import HALS, MU, Factors
from jnmf.labels import Names

X, START = problem()
CELLS, GENES = [f"cell{i}" for i in range(M)], [f"gene{letter}" for letter in "ABCDEFGHI"]
FRAME = pd.DataFrame(np.asarray(X), CELLS, GENES)
COMPONENTS = ["component 1", "component 2", "component 3"]
quick = {"init": START, "algorithm": HALS(), "max_iters": 2}


@pytest.fixture(scope="module")
def fitted():
    return jnmf.fit(FRAME, **quick)


def annotated(A=FRAME, cells=CELLS, genes=GENES):
    """An AnnData where the package is there, else what one is known by."""
    try:
        from anndata import AnnData  # pyright: ignore[reportMissingImports]
    except ImportError:
        entries = A if scipy.sparse.issparse(A) else np.asarray(A)
        parts = {name: {} for name in ("obsm", "varm", "uns")}
        return SimpleNamespace(X=entries, obs_names=pd.Index(cells), var_names=pd.Index(genes), isbacked=False, **parts)
    entries = A if scipy.sparse.issparse(A) else np.asarray(A)
    return AnnData(entries, pd.DataFrame(index=cells), pd.DataFrame(index=genes))


def negative(A):
    A = np.array(A)
    A[2, 3] = -2
    return A


def test_factors_come_back_with_the_names_of_x(fitted):
    plain = jnmf.fit(X, **quick)
    for found in (jnmf.frames(fitted), jnmf.frames(plain, FRAME), jnmf.frames(plain.factors, annotated())):
        pd.testing.assert_frame_equal(found.W, pd.DataFrame(np.asarray(plain.W), CELLS, COMPONENTS))
        pd.testing.assert_frame_equal(found.H, pd.DataFrame(np.asarray(plain.H), COMPONENTS, GENES))
    numbered = jnmf.frames(plain)
    assert list(numbered.W.index) == list(range(M))
    assert list(numbered.H.columns) == list(range(N))
    assert jnmf.frames(Factors(jnp.ones((2, 1), "bfloat16"), np.ones((1, 2), "float16"))).W.dtypes.tolist() == [
        np.dtype("float32")
    ]


@pytest.mark.parametrize("A", [FRAME, scipy.sparse.csr_matrix(FRAME), scipy.sparse.csc_matrix(FRAME)])
def test_an_anndata_is_its_matrix_and_gets_the_factors(A):
    adata = annotated(A)
    fit = jnmf.fit(adata, **quick)
    np.testing.assert_allclose(fit.W, jnmf.fit(X, **quick).W, rtol=1e-12)
    assert list(fit.names.rows) == CELLS
    assert jnmf.to_anndata(fit, adata) is None
    np.testing.assert_array_equal(adata.obsm["X_nmf"], fit.W)
    np.testing.assert_array_equal(adata.varm["nmf"], fit.H.T)
    assert type(adata.obsm["X_nmf"]) is type(adata.varm["nmf"]) is np.ndarray
    assert adata.uns["nmf"] == {
        "num_components": R,
        "loss": float(fit.loss),
        "num_iters": 2,
        "status": "MAX_ITERS",
    }
    jnmf.to_anndata(fit.factors, adata, key="parts")
    assert adata.uns["parts"] == {"num_components": R}
    bad = annotated(scipy.sparse.csr_matrix(negative(A.toarray())) if scipy.sparse.issparse(A) else negative(A))
    with pytest.raises(ValueError, match="the first at row 'cell2', column 'geneD'; clip"):
        jnmf.fit(bad, 2, MU())


def test_an_anndata_that_is_read_in_blocks_has_its_names(fitted):
    fit = jnmf.fit(jnmf.streamed(annotated(), block=5), **quick)
    assert (list(fit.names.rows), list(fit.names.columns)) == (CELLS, GENES)
    np.testing.assert_allclose(fit.W, fitted.W, rtol=1e-12)
    assert jnmf.streamed(annotated()).T.names == Names(pd.Index(GENES), pd.Index(CELLS))
    assert jnmf.fit(jnmf.streamed(np.asarray(X)), **quick).names is None


def test_an_anndata_that_is_another_is_refused(fitted):
    with pytest.raises(ValueError, match="in their order, but row 0 is 'cell0' and 'cell11'"):
        jnmf.to_anndata(fitted, annotated(FRAME, cells=CELLS[::-1]))
    with pytest.raises(ValueError, match=r"expected the names of \(12, 9\), got \(9, 12\)"):
        jnmf.to_anndata(fitted, annotated(FRAME.T, GENES, CELLS))
    with pytest.raises(TypeError, match="expected an AnnData, got DataFrame"):
        jnmf.to_anndata(fitted, FRAME)


def test_every_door_takes_an_anndata(fitted):
    adata = annotated(scipy.sparse.csr_matrix(FRAME))
    assert jnmf.sparse(adata).num_stored == M * N
    same = [
        lambda A: jnmf.transform(A, fitted.H),
        lambda A: jnmf.objective(A, fitted),
    ]
    for call in same:
        np.testing.assert_allclose(call(adata), call(X), rtol=1e-9)
    with pytest.raises(TypeError, match="A: expected a dense matrix, got a sparse csr_matrix"):
        jnmf.nnls(adata, np.ones((M, 2)))


class View(np.ndarray):
    """The matrix of a view of an AnnData, dense but with methods of a sparse one."""

    def toarray(self):
        return np.asarray(self)


def test_a_view_of_an_anndata_is_dense():
    part = (
        annotated(FRAME)[:, GENES[:2]]  # pyright: ignore[reportIndexIssue]
        if hasattr(annotated(), "obs")
        else annotated(FRAME.iloc[:, :2].to_numpy(), CELLS, GENES[:2])
    )
    if isinstance(part, SimpleNamespace):
        part.X = part.X.view(View)
    np.testing.assert_array_equal(jnmf.transform(part, START.H[:, :2]), jnmf.transform(X[:, :2], START.H[:, :2]))


def test_what_has_no_names_or_others_says_so(fitted):
    with pytest.raises(TypeError, match="X: expected a DataFrame or an AnnData, which have names, got ndarray"):
        jnmf.frames(fitted, np.asarray(X))
    with pytest.raises(ValueError, match=r"X: expected the names of \(12, 9\), got \(9, 12\)"):
        jnmf.frames(fitted, FRAME.T)
    with pytest.raises(ValueError, match=r"of one fit, got W \(2, 12, 3\)"):
        jnmf.frames((np.ones((2, 12, 3)), START.H))


def test_names_are_structure_under_jit_and_vmap(fitted):
    fits = jax.jit(jax.vmap(lambda key: jnmf.fit(FRAME, 2, HALS(), key=key, max_iters=1)))(jnp.arange(2))
    assert fits.W.shape == (2, M, 2)
    assert list(fits.names.columns) == GENES
    double = jax.jit(lambda fit: fit._replace(W=2 * fit.W))
    other = fitted._replace(names=Names(fitted.names.rows[::-1], fitted.names.columns))
    for fit in (fitted, other, fitted._replace(names=None)):  # no program gives the names of another fit
        assert double(fit).names == fit.names
    assert fitted.names != other.names
    assert not any(leaf is fitted.names for leaf in jax.tree.leaves(fitted))
    assert fitted.names == Names(np.array(CELLS, object), np.array(GENES, object))
    assert fitted.names != Names(np.array(CELLS[1:], object), np.array(GENES, object))


LABELS = {
    "texts": CELLS,
    "numbers": range(5, M + 5),
    "with missing": [*CELLS[1:], None],
    "levels": pd.MultiIndex.from_product([["a", "b", "c"], [1, 2, 3, 4]]),
}


@pytest.mark.parametrize("name", LABELS)
def test_names_are_saved_with_the_fit(tmp_path, fitted, name):
    rows = pd.Index(LABELS[name])
    named = fitted._replace(names=Names(rows, fitted.names.columns))
    jnmf.save(tmp_path / "fit", named)
    found = jnmf.load(tmp_path / "fit")
    assert found.names == named.names
    np.testing.assert_equal(found.names.rows.tolist(), rows.tolist())
    assert jnmf.frames(found).H.columns.tolist() == GENES
    more = jnmf.fit(FRAME.set_axis(rows), resume=found, max_iters=3)
    assert more.names.rows is not found.names.rows
    assert more.num_iters == 3


def test_dates_are_saved_as_text_and_files_without_names_are_read(tmp_path, fitted):
    days = pd.date_range("2020-01-01", periods=M)
    jnmf.save(tmp_path / "fit", fitted._replace(names=Names(days, fitted.names.columns)))
    assert jnmf.load(tmp_path / "fit").names.rows[2] == "2020-01-03 00:00:00"
    with np.load(tmp_path / "fit.npz") as archive:
        arrays = dict(archive)
    outline = json.loads(str(arrays["outline"]))
    del outline["value"]["fields"]["names"]  # as a file of before
    np.savez(tmp_path / "before.npz", **arrays | {"outline": np.array(json.dumps(outline))})
    assert jnmf.load(tmp_path / "before").names is None
    for wrong in ([["a"]], [3, ["b"]], [["a"], [{}]], {}):
        outline["value"]["fields"]["names"] = {"names": wrong}
        np.savez(tmp_path / "wrong.npz", **arrays | {"outline": np.array(json.dumps(outline))})
        with pytest.raises(ValueError, match=r"load: expected an outline that jnmf\.save wrote"):
            jnmf.load(tmp_path / "wrong")


def test_top_features_are_the_largest_shares():
    H = np.array([[1.0, 4, 0, 4, 1], [0, 0, 0, 0, 0], [1e308, 1e308, 0, 0, 5e307]])
    words = list("abcde")
    found = jnmf.top_features(Factors(np.ones((2, 3)), H), 3, names=words)
    assert found == [[("b", 0.4), ("d", 0.4), ("a", 0.1)], [], [("a", 0.4), ("b", 0.4), ("e", 0.2)]]
    assert jnmf.top_features(Factors(np.ones((2, 3)), H), 1)[0] == [(1, 0.4)]
    of_columns = jnmf.top_features(Factors(H.T, np.ones((3, 2))), 3, names=words, axis=1)
    assert of_columns == found


def test_top_features_of_signed_components_are_refused():
    for bad in (-1.0, np.nan):
        H = np.array([[1.0, bad, 0.5], [0.2, 0.3, 0.4]])
        with pytest.raises(ValueError, match=r"nonnegative components, got 1 entries that are negative or NaN"):
            jnmf.top_features((np.ones((2, 2)), H), 3)


def test_top_features_have_the_names_of_the_fit_or_of_x(fitted):
    best = [GENES[j] for j in np.asarray(fitted.H).argmax(axis=1)]
    for names in (None, FRAME, annotated(), GENES, np.array(GENES)):
        assert [features[0][0] for features in jnmf.top_features(fitted, 1, names=names)] == best
    rows = [CELLS[i] for i in np.asarray(fitted.W).argmax(axis=0)]
    assert [features[0][0] for features in jnmf.top_features(fitted, 1, axis=1)] == rows
    for wrong, message in (
        ({"names": GENES[1:]}, "one for each of the 9 columns of X, got 8"),
        ({"names": GENES, "axis": 1}, "one for each of the 12 rows of X, got 9"),
        ({"axis": 2}, r"axis: expected 0 \(the rows of X are samples\) or 1 .*, got 2"),
        ({"count": 0}, "count: expected an integer of at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            jnmf.top_features(fitted, **wrong)
