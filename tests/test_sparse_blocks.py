"""A sparse X whose rows are divided among devices gives what one device gives; no value of its entries moves."""

import math
import re
from functools import partial

import jax
import numpy as np
import pytest
import scipy.sparse as ss
from jax.experimental.sparse import BCOO
from kinds import FEW, START
from test_sharded import CALLS as OF_SHARDED
from test_sharded import collectives, like, of_fit, on_four_devices, same, slow, spread
from test_sparse import FORMATS
from test_sparse import X as OTHER

import jnmf
from jnmf import HALS, MU, PGD, Factors, batches, fit, holdout, matrix, stored_places, warm_start
from jnmf.door import enter, stored_of
from jnmf.matrix import blocks
from jnmf.matrix.sparse_blocks import SparseBlocks, by_rows
from jnmf.testing.matrices import OF_ITS_FUNCTIONS, OF_X, Case
from jnmf.testing.promises import hold

P = jax.P
S = ss.csr_array(np.asarray(FEW))
BY_ROWS = jax.NamedSharding(jax.make_mesh((2,), ("rows",), devices=jax.devices()[:2]), P("rows", None))
X = jnmf.sparse(S, BY_ROWS)

IN_BLOCKS = ("weighted", "masked", "by the weights", "spa", "init of one's own", "diagnostics")


def held_out(X, algorithm, num_restarts=3, **how):
    found = jnmf.cross_validate(X, [1, 2], num_restarts=num_restarts, algorithm=algorithm, max_iters=3, **how)
    return found.train, found.test, found.rank


CALLS = {name: call for name, call in OF_SHARDED.items() if not any(word in name for word in IN_BLOCKS)} | {
    "MU": lambda X, H: of_fit(fit(X, 3, MU(), max_iters=3)),
    "PGD": lambda X, H: of_fit(fit(X, 3, PGD(), max_iters=3, stop="kkt")),
    "KL and its gradient": lambda X, H: of_fit(fit(X, 3, MU(beta=1.0), kkt=True, stop="loss", max_iters=3)),
    "transform 1.5": lambda X, H: jnmf.transform(X, H, MU(beta=1.5)),
    "stored KL": lambda X, H: of_fit(fit(X, 3, MU(beta=1.0), max_iters=3, mask="stored")),
    "transposed": lambda X, H: of_fit(fit(X.T, 3, MU(beta=1.0), max_iters=3)),
    "sampled": lambda X, H: of_fit(fit(X, 2, init=warm_start.sampled(num_iters=2, size=4), max_iters=2)),
    "sketched": lambda X, H: of_fit(fit(X, 2, init=warm_start.sketched(num_iters=2), max_iters=2)),
    "frobenius": lambda X, H: of_fit(fit(X, 2, MU(beta=1.0), init=warm_start.frobenius(num_iters=2), max_iters=2)),
    "jit": lambda X, H: jax.jit(lambda X: fit(X, 2, HALS(), max_iters=3).factors)(X),
    "cross_validate": lambda X, H: held_out(X, HALS(), holdout=0.3),
    "cross_validate KL": lambda X, H: held_out(X, MU(beta=1.0), holdout=0.3),
    "cross_validate 1.5": lambda X, H: held_out(X, MU(beta=1.5), score="rmse"),
    "cross_validate transposed": lambda X, H: held_out(X.T, HALS()),
    "diagnostics": lambda X, H: [
        f(X, Factors(START.W[: X.shape[0]], H), MU(beta=beta))
        for f in (jnmf.objective, jnmf.kkt_residual)
        for beta in (2.0, 1.0, 1.5)
    ],
}


QUICK = ("fit KL",)


@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("name", [slow(name, QUICK) for name in CALLS])
def test_what_one_device_gives(monkeypatch, name):
    monkeypatch.setattr(blocks, "NUMBERS", 30)
    same(CALLS[name](X, START.H), CALLS[name](jnmf.sparse(S), START.H))


# Stored zeros among the entries, of both signs, and blocks that store different numbers of entries.
WITH_ZEROS = S.copy()
WITH_ZEROS.data[::4], WITH_ZEROS.data[::8] = 0.0, -0.0
WITH_ZEROS = ss.vstack([WITH_ZEROS[:3], S[:1] * 0, WITH_ZEROS[4:]]).tocsr()
STORED_CALLS = {
    "HALS": lambda X: of_fit(fit(X, 3, HALS(), max_iters=3, mask="stored")),
    "default": lambda X: of_fit(fit(X, 3, max_iters=3, mask="stored")),
    "KL": lambda X: of_fit(fit(X, 3, MU(beta=1.0), max_iters=3, mask="stored")),
    "1.5": lambda X: of_fit(fit(X, 3, MU(beta=1.5), max_iters=3, mask="stored")),
    "nndsvda": lambda X: of_fit(fit(X, 3, HALS(), init="nndsvda", max_iters=1, mask="stored")),
    "sweep": lambda X: jnmf.sweep(X, [2], num_restarts=2, algorithm=HALS(), num_iters=2, mask="stored").rmse,
    "transposed": lambda X: of_fit(fit(X.T, 3, MU(beta=1.0), max_iters=3, mask="stored")),
    "diagnostics": lambda X: [
        f(X, START, MU(beta=beta), mask="stored")
        for f in (jnmf.objective, jnmf.kkt_residual)
        for beta in (2.0, 1.0, 1.5)
    ],
    "jit": lambda X: jax.jit(lambda X: fit(X, 2, MU(beta=1.0), max_iters=3, mask="stored").factors)(X),
    "cross_validate": lambda X: held_out(X, HALS(), mask="stored", holdout=0.3),
    "cross_validate KL": lambda X: held_out(X, MU(beta=1.0), mask="stored", holdout=0.3),
    "cross_validate transposed": lambda X: held_out(X.T, MU(beta=1.0), mask="stored", score="rmse"),
}


@pytest.mark.filterwarnings("ignore:.*components are dead")
@pytest.mark.parametrize("name", [slow(name, ("HALS",)) for name in STORED_CALLS])
def test_the_stored_entries_alone_are_those_of_one_device(monkeypatch, name):
    """Where that imputes, too. What is stored beside them, for blocks of one size, has no weight."""
    monkeypatch.setattr("jnmf.matrix.stored.LIGHT", 0)
    divided = jnmf.sparse(WITH_ZEROS, BY_ROWS)
    assert len(set(np.add.reduceat(np.diff(WITH_ZEROS.indptr), [0, 6]))) == 2
    same(STORED_CALLS[name](divided), STORED_CALLS[name](jnmf.sparse(WITH_ZEROS)))


def test_what_is_added_for_blocks_of_one_size_has_no_weight():
    found = stored_of(jnmf.sparse(WITH_ZEROS, BY_ROWS).X)
    seen = np.zeros(WITH_ZEROS.shape)
    seen[WITH_ZEROS.tocoo().coords] = 1
    for A, dense, weights in ((found, WITH_ZEROS, seen), (found.T, WITH_ZEROS.T, seen.T)):
        x, m = matrix.entries(A)
        np.testing.assert_array_equal(x, dense.toarray())
        np.testing.assert_array_equal(m, weights)
    assert matrix.weight(found) == WITH_ZEROS.nnz


@pytest.mark.filterwarnings("ignore:float64 is rounded")
def test_no_entry_is_taken_for_what_is_added():
    """Less than 0 by less than the dtype holds, or by less than a device tells from 0."""
    A = WITH_ZEROS.astype("float32")
    A.data[[1, 2]] = -1e-40, -1e-45
    assert matrix.weight(stored_of(jnmf.sparse(A, BY_ROWS).X)) == A.nnz
    with jax.enable_x64(False):
        B = WITH_ZEROS.copy()
        B.data[1] = -1e-50
        assert matrix.weight(stored_of(jnmf.sparse(B, BY_ROWS).X)) == B.nnz


def test_nothing_stored_is_a_matrix_of_zeros():
    nothing = ss.csr_array((4, 3))
    assert fit(jnmf.sparse(nothing, BY_ROWS), 2, HALS(), max_iters=1).loss == 0


@pytest.mark.slow
def test_stored_entries_at_the_limits_of_their_range(monkeypatch):
    monkeypatch.setattr("jnmf.matrix.stored.LIGHT", 0)
    A = ss.csr_array(2.0**300 * WITH_ZEROS)
    found, wanted = (fit(B, 3, HALS(), max_iters=3, mask="stored") for B in (jnmf.sparse(A, BY_ROWS), A))
    same(of_fit(found), of_fit(wanted))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [HALS(), MU(beta=1.0)], ids=repr)
def test_of_stored_entries_nothing_is_sent(algorithm):
    """But factors and r × r matrices: no number of what is sent is a multiple of that of the entries of a block."""
    divided = jnmf.sparse(WITH_ZEROS, BY_ROWS)
    call = jax.jit(lambda X: fit(X, 3, algorithm, max_iters=3, mask="stored").factors)
    sent = [shape for _, _, shape in collectives(call.lower(divided).compile().as_text())]
    sizes = [
        math.prod(map(int, dims.split(","))) if dims else 1
        for shape in sent
        for dims in re.findall(r"\[([\d,]*)\]", shape)
    ]
    assert sizes
    assert max(sizes) <= max(12 * 3, 9 * 3)
    assert divided.X.blocks.by_row.values.shape[1] not in sizes


# What is held out

FEWER = ss.vstack([S[:6], ss.csr_array(([0.5], ([2], [4])), shape=(6, 9))]).tocsr()
FEWER.data[1::4], FEWER.data[1::8] = 0.0, -0.0
DIVIDED = {
    "zeros of both signs": WITH_ZEROS,
    "a block of one": FEWER,
    "an empty block": ss.vstack([WITH_ZEROS[:6], ss.csr_array((6, 9))]).tocsr(),
    "tall": WITH_ZEROS[:, 7:],
    "wide": ss.vstack([WITH_ZEROS[:1], WITH_ZEROS[11:]]).tocsr(),
}


def drawn(A, stored: bool, sharding=None):
    """X as behind the door, and what three restarts hold out of it."""
    X = enter(jnmf.sparse(A, sharding), "stored" if stored else None).X
    return X, holdout.drawn(X, jax.random.split(jax.random.key(5), 3), 0.2 if stored else 0.4)


def places_of_one_device(A, stored: bool):
    """(3, m, n): which entries they are, from the lists of one device."""
    _, own = drawn(A, stored)
    held, A = np.zeros((3, *A.shape), bool), A.tocoo()
    for s in range(3):
        if stored:
            which = np.asarray(own.entries[0][s])
            held[s, A.row[which], A.col[which]] = True
        else:
            _, columns, starts = (np.asarray(a[s]) for a in own.places.by_row)
            held[s, np.repeat(np.arange(A.shape[0]), np.diff(starts)), columns] = True
    return held


def seen(A):
    """The entries, the weights and their sum, in both orders."""
    return *matrix.entries(A), *matrix.entries(A.T), matrix.weight(A)


@pytest.mark.parametrize("transposed", [False, True])
def test_stored_entries_are_numbered_row_by_row_over_all_blocks(transposed):
    X, A = enter(jnmf.sparse(WITH_ZEROS, BY_ROWS), "stored").X, WITH_ZEROS
    X, A = (X.T, A.T.tocsr()) if transposed else (X, A.tocsr())
    A.sort_indices()
    places, entries = stored_places.of_blocks(X), A.tocoo()
    assert places.num_stored == A.nnz
    found = places.stored(np.arange(A.nnz))
    for own, wanted in zip(found, (*entries.coords, entries.data != 0), strict=True):
        np.testing.assert_array_equal(own, wanted)


CASES = [(name, stored) for name in DIVIDED for stored in (False, True)]


@pytest.mark.parametrize(
    ("name", "stored"),
    [pytest.param(*case, marks=() if case == ("a block of one", False) else pytest.mark.slow) for case in CASES],
)
def test_the_hold_outs_are_those_of_one_device(name, stored):
    """What is fitted and what is held out: as many places for all blocks, of which some do not count."""
    A = DIVIDED[name].tocsr()
    A.sort_indices()
    held, x, counts = places_of_one_device(A, stored), A.toarray(), np.zeros(A.shape, bool)
    counts[A.tocoo().coords] = True
    counts |= not stored
    split = jax.jit(lambda X, own: jax.lax.map(lambda own: [seen(part) for part in holdout.split(X, own)], own))
    (rest, out), transposed = split(*drawn(A, stored, BY_ROWS)), np.swapaxes
    assert len(set(held.sum(axis=(1, 2)))) == 1
    for found, m in ((rest, counts & ~held), (out, counts & held)):
        np.testing.assert_array_equal(found[1], m)
        np.testing.assert_array_equal(found[3], transposed(m, 1, 2))
        np.testing.assert_array_equal(np.where(m, found[0], 0), np.where(m, x, 0))
        np.testing.assert_array_equal(found[2], transposed(found[0], 1, 2))
        np.testing.assert_array_equal(found[4], m.sum(axis=(1, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.97])
@pytest.mark.parametrize("mask", [None, "stored"])
def test_hold_outs_that_cannot_be_are_refused_as_on_one_device(share, mask):
    A, told = ss.csr_array(np.ones((4, 3))), []
    for X in (divide(A), A):
        with pytest.raises(ValueError, match=r"^holdout: expected to ") as raised:
            jnmf.cross_validate(X, [1], num_restarts=1, holdout=share, mask=mask, max_iters=1)
        told.append(str(raised.value))
    assert told[0] == told[1]


@pytest.mark.slow
@pytest.mark.parametrize("mask", [None, "stored"])
def test_held_out_in_float32(mask):
    found, wanted = (
        held_out(jnmf.sparse(WITH_ZEROS.astype("float32"), where), MU(beta=1.0), mask=mask) for where in (BY_ROWS, None)
    )
    assert found[0].dtype == wanted[0].dtype
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [None, "stored"])
@pytest.mark.parametrize("algorithm", [HALS(), MU(beta=1.0)], ids=repr)
def test_of_what_is_held_out_nothing_is_sent(monkeypatch, mask, algorithm):
    """The programs send factors and what is as long as a side of X; no array is a block of X written down."""
    monkeypatch.setattr("jnmf.matrix.stored.LIGHT", 0)
    (m, n), texts, lists = (200, 31), [], []
    divided = jnmf.sparse(ss.random_array((m, n), density=0.3, rng=np.random.default_rng(0), format="csr"), BY_ROWS)
    for name in ("_batch", "_mean_sizes"):
        program = getattr(batches, name)

        def called(*of, program=program, **how):
            texts.append(program.lower(*of, **how).compile().as_text())
            lists.extend(own.entries[0].shape[-1] for own in of if hasattr(own, "entries"))
            return program(*of, **how)

        monkeypatch.setattr(batches, name, called)
    held_out(divided, algorithm, num_restarts=2, holdout=0.25, mask=mask)
    lengths = lambda shape: [int(length) for length in re.findall(r"\d+", shape.split("[")[1])]
    sent = [lengths(shape) for text in texts for _, _, shape in collectives(text)]
    assert len(texts) == len(lists) == 2
    assert not {length for shape in sent for length in shape} & {*lists, divided.X.blocks.by_row.values.shape[1]}
    assert 0 < max(math.prod(shape) for shape in sent) <= 4 * 2 * m  # W of four members
    held = [{*lengths(shape)} for text in texts for shape in re.findall(r"[a-z]+\d+\[[\d,]*\]", text)]
    assert not any(n in shape and shape & {m, m // 2} for shape in held)


@pytest.mark.slow
def test_every_function_is_that_of_the_entries():
    """But `of_columns`, of half-steps by the weights, for which a device would need whole columns."""
    hold(OF_X, "X", X)
    hold([promise for promise in OF_ITS_FUNCTIONS if "of_columns" not in str(promise.__doc__)], "X", Case(X, FEW))


MESHES = {  # m, the shape of the mesh, what divides the rows
    "one axis": (12, (4,), "rows"),
    "both axes": (12, (2, 2), ("rows", "columns")),
    "copies": (12, (2, 2), "rows"),
    "columns that divide": (8, (4,), "rows"),
}


FOUR = (
    *("fit", "fit KL", "stored KL", "transform", "sweep", "resume"),
    *("cross_validate", "cross_validate transposed", "cross_validate stored", "cross_validate stored, transposed"),
)


def apart(mesh: str) -> dict:
    """call -> how far it is from that of one device, on four, the rows of one of which hold nothing."""
    jax.config.update("jax_disable_most_optimizations", True)
    blocks.NUMBERS = 30
    m, shape, rows = MESHES[mesh]
    A = S[:m, : m if m < 9 else 9].tolil()
    A[m // 2 :] = 0  # of half of them
    A[m - 1, 4] = 0.5
    A, found = A.tocsr(), {}
    devices = jax.make_mesh(shape, ("rows", "columns")[: len(shape)])
    B, one = jnmf.sparse(A, jax.NamedSharding(devices, P(rows))), jnmf.sparse(A)
    calls = CALLS | {
        "cross_validate stored": lambda X, H: held_out(X, MU(beta=1.0), mask="stored"),
        "cross_validate stored, transposed": lambda X, H: held_out(X.T, MU(beta=1.0), mask="stored"),
    }
    names = calls if m == 12 and len(shape) == 1 else FOUR
    for name in names:
        of_both = (map(np.asarray, jax.tree.leaves(calls[name](C, like(START.H, A[:3])))) for C in (B, one))
        found[name] = max(
            float(np.nanmax(np.abs(a - b), initial=0)) / max(1.0, float(np.nanmax(np.abs(b), initial=0)))
            for a, b in zip(*of_both, strict=True)
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mesh", MESHES)
def test_meshes_of_four_devices(mesh):
    found = on_four_devices(f"test_sparse_blocks.apart({mesh!r})")
    assert len(found) >= 5
    assert max(found.values()) < 1e-10, found


# What comes in


@pytest.mark.quick(6)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_its_array(name):
    """Shuffled, in int64, stored twice or as explicit zeros."""
    found = jnmf.sparse(FORMATS[name](OTHER), BY_ROWS).X
    assert isinstance(found, SparseBlocks)
    for A, dense in ((found, OTHER.toarray()), (found.T, OTHER.T.toarray())):
        np.testing.assert_array_equal(matrix.entries(A)[0], dense)


def test_each_device_holds_its_own_rows():
    for leaf in jax.tree.leaves(X.X):
        assert [shard.data.shape for shard in leaf.addressable_shards] == [(1, *leaf.shape[1:])] * 2
    most = max(S[:6].nnz, S[6:].nnz)
    assert X.X.blocks.by_row.values.shape == (2, most)


def test_blocks_with_fewer_entries_store_zeros_at_free_places():
    """Full, empty and in between: each place once, in order, and of every entry the value."""
    draw = np.random.default_rng(0)
    rows = jax.jit(jax.vmap(lambda B: B.rows))
    for filled in (0.0, 0.1, 0.5, 0.9, 1.0):
        dense = draw.uniform(0.1, 1, (4, 5)) * (draw.random((4, 5)) < filled)
        dense = np.vstack([dense, np.ones((4, 5)), np.zeros((4, 5)), np.tri(4, 5)])
        mesh = jax.make_mesh((1,), ("rows",), devices=jax.devices()[:1])
        for order in ((0, 1), (1, 2), (2, 3), (3, 0)):
            both = np.vstack([dense[4 * i : 4 * i + 4] for i in order])
            found = jnmf.sparse(ss.csr_array(both), BY_ROWS).X
            np.testing.assert_array_equal(matrix.entries(found)[0], both)
            for A in found.blocks:
                places = np.asarray(rows(A), int) * 100 + np.asarray(A.columns)
                assert (np.diff(places, axis=1) > 0).all()
        alone = jnmf.sparse(ss.csr_array(dense[:4]), jax.NamedSharding(mesh, P("rows")))
        assert matrix.size(alone) == np.count_nonzero(dense[:4])


def test_dtypes_are_those_of_the_array():
    for dtype, wanted in (("float32", "float32"), ("int8", "float64"), ("bool", "float64")):
        assert jnmf.sparse(S.astype(dtype), BY_ROWS).dtype == wanted
    A = S.astype("float32")
    found, wanted = (fit(B, 2, HALS(), max_iters=3) for B in (jnmf.sparse(A, BY_ROWS), A))
    assert found.W.dtype == np.float32
    np.testing.assert_allclose(found.W, wanted.W, atol=1e-4)


def with_entry(value):
    A = S.copy()
    A.data[S.indptr[9]] = value  # the first of row 9, in the rows of the second device
    return A


PLACE = rf"the first at \(9, {S.indices[S.indptr[9]]}\)"
PLACE_OF_T = rf"the first at \({S.indices[S.indptr[9]]}, 9\)"
COLUMNS = jax.NamedSharding(BY_ROWS.mesh, P(None, "rows"))
WHOLE = r"in the memory of one device, got one that .* is sparse"
divide = partial(jnmf.sparse, sharding=BY_ROWS)


def arrays():
    A = BCOO.fromdense(FEW[:8, :8], nse=48)
    return BCOO((spread(A.data), spread(A.indices)), shape=A.shape)


REFUSED = [
    (lambda: divide(with_entry(np.nan)), rf"got 1 NaN or inf of 108, {PLACE}; fill them$"),
    (lambda: fit(divide(with_entry(-2.0)), 2, MU(beta=1.0)), rf"got 1 negative ones of 108, the least -2, {PLACE}"),
    (
        lambda: fit(divide(with_entry(-2.0)).T, 2, MU(beta=1.0)),
        rf"got 1 negative ones of 108, the least -2, {PLACE_OF_T}",
    ),
    (lambda: divide(X), "a NumPy array or what jnmf.sparse made of one, got a Sharded; pass what that was made of"),
    (lambda: jnmf.sparse(np.ma.masked_equal([[1.0, 2.0]], 2)), r"no masked entries, got 1; pass X.filled\(value\)"),
    (lambda: divide(S[:11]), r"rows that divide by the devices, got 11 on 2; X.resize\(…\) adds empty rows"),
    (lambda: divide(S * 1j), "real numbers, got csr_array of dtype complex128"),
    (lambda: jnmf.sparse(S, COLUMNS), "divides the rows of a sparse X, and no columns"),
    (lambda: jnmf.sparse(S, jax.devices()[0]), "expected a NamedSharding"),
    (lambda: fit(arrays(), 2), r"expected a sparse matrix on one device, got a BCOO .* pass jnmf.sparse\(rows"),
    (lambda: fit(X, 2, mask=FEW != 0), 'for a sparse X expected None or "stored"'),
    (lambda: fit(divide(ss.csr_array((4, 3))), 2, mask="stored"), "stored entries to count"),
    (lambda: fit(X, 2, init="spa"), f"spa: expected an X {WHOLE}"),
    (lambda: jnmf.bootstrap(X, 2, num_replicates=2), f"bootstrap: expected an X {WHOLE}"),
    (lambda: jnmf.stacked([X, FEW]), f"X1: expected a matrix {WHOLE}"),
    (lambda: jnmf.shuffle_columns(X), f"X: expected a matrix {WHOLE}"),
    (lambda: jnmf.transform(X.T, START.W.T), "a sparse matrix whose columns are not divided"),
    (
        lambda: jnmf.svd_rmse(divide(S[:8]), [1]),
        "not divided.* as many rows as columns",
    ),
]


@pytest.mark.quick(8)
@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_inside_of_jit_it_is_a_constant():
    made = jax.jit(lambda a: a * matrix.square(jnmf.sparse(S, BY_ROWS)))(1.0)
    np.testing.assert_allclose(made, np.sum(S.data**2))


def test_rows_that_do_not_divide_are_made_to():
    A = S[:11].tocsr()
    A.resize(12, 9)
    found, wanted = (jnmf.run(B, START, HALS(), num_iters=2)[0].W for B in (jnmf.sparse(A, BY_ROWS), A))
    same(found, wanted)


def test_what_is_made_is_told_in_a_line():
    assert repr(X.X) == "SparseBlocks (12, 9) in 2, float64"
    assert jnmf.sparse(X) is X


def test_the_places_of_a_device_are_in_32_bits(monkeypatch):
    monkeypatch.setattr("jnmf.matrix.sparse_blocks.LARGEST", 5)
    with pytest.raises(ValueError, match=r"fewer than 2\*\*31 stored entries on each device, got \d+; take more"):
        by_rows(S, "float64", None, BY_ROWS)


def test_another_X_is_not_gone_on_with():
    half = fit(X, 2, HALS(), max_iters=2)
    with pytest.raises(ValueError, match="expected the X and mask of the fit, got others"):
        fit(jnmf.sparse(with_entry(0.7), BY_ROWS), resume=half, max_iters=3)
