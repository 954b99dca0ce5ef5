"""The data sets: facts of the real files, what is said of missing and damaged ones, conversions, and the stand-ins."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests
import scipy.io

from experiments import data, downloads

LOADERS = {  # each with the file that it asks for first
    data.nmfdata: "nmfdata.txt",
    data.williams_matrix: "nmfdata.txt",
    data.mnist_train: "mnist_train_first1000.npz",
    data.mnist_test: "t10k-images-idx3-ubyte.gz",
    data.cbcl: "cbcl_faces.npz",
    data.olivetti: "olivetti.npz",
    data.all_aml: "all_aml.npz",
    data.classic4: "classic4.npz",
}
STAND_INS = {
    data.williams_matrix: data.signed_rank_3,
    data.mnist_test: data.digits,
    data.cbcl: data.cbcl_like,
    data.olivetti: data.olivetti_like,
    data.all_aml: data.planted_clusters,
    data.classic4: data.planted_topics,
}
by_name = lambda value: getattr(value, "__name__", None)


# Real data


def test_mnist_train_has_the_published_norm(data_folder):
    X, labels, shape, order, note = data.mnist_train()
    assert X.shape == (784, 1000)
    assert X.dtype == float
    assert (shape, order, note) == ((28, 28), "C", "")
    np.testing.assert_allclose(np.linalg.norm(X), 293.0718, atol=5e-5)
    assert labels is not None
    np.testing.assert_array_equal(labels[:8], [5, 0, 4, 1, 9, 2, 1, 3])
    bound = np.sqrt(np.sum(np.linalg.svd(X, compute_uv=False)[10:] ** 2)) / np.linalg.norm(X)
    np.testing.assert_allclose(bound, 0.54562, atol=5e-6)


def test_mnist_test_has_the_published_zeros(data_folder):
    X, labels, shape, order, _ = data.mnist_test()
    assert X.shape == (784, 10000)
    assert (X.max(), shape, order) == (1, (28, 28), "C")
    np.testing.assert_allclose(np.mean(X == 0), 0.8072, atol=5e-5)
    assert np.sum(X.max(axis=1) == 0) == 116
    assert labels is not None
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    one = X[:, 2].reshape(shape, order=order)  # a one is taller than wide
    assert np.sum(one.any(axis=1)) > 2 * np.sum(one.any(axis=0))


def test_cbcl_and_its_two_forms_have_the_published_norms(data_folder):
    P, labels, shape, order, _ = data.cbcl()
    assert (P.shape, P.dtype, labels, shape, order) == ((361, 2429), float, None, (19, 19), "F")
    assert (P.min(), P.max()) == (0, 255)
    np.testing.assert_array_equal(P, np.rint(P))
    book, lee_seung = data.cbcl_book(P), data.cbcl_lee_seung(P)
    np.testing.assert_allclose(np.linalg.norm(book), 516.386417, atol=5e-7)
    assert book.min() > 0
    np.testing.assert_allclose(np.linalg.norm(lee_seung), 322.178590, atol=5e-7)
    np.testing.assert_allclose(np.mean(lee_seung == 0), 0.172, atol=5e-4)
    assert lee_seung.max() == 1
    np.testing.assert_allclose(255 * lee_seung, np.rint(255 * lee_seung), atol=1e-10)


def test_olivetti_images_are_those_of_scikit_learn(data_folder):
    X, labels, shape, order, _ = data.olivetti()
    assert X.shape == (4096, 400)
    assert (X.min(), X.max(), shape, order) == (0, 242 / 255, (64, 64), "F")
    first = X[:, 0].reshape(shape, order=order) / X.max()  # scikit-learn stretches the levels to [0, 1]
    np.testing.assert_allclose(first[0, :3], [0.30991736, 0.36776859, 0.41735536], atol=1e-8)
    assert labels is not None
    assert np.bincount(labels).tolist() == [10] * 40
    assert neighbours_share_label(X, labels) > 0.9


def neighbours_share_label(X, labels) -> float:
    """The share of columns whose nearest other column has the same label."""
    squared = np.sum(X**2, axis=0)
    distance = squared[:, None] + squared[None] - 2 * X.T @ X
    np.fill_diagonal(distance, np.inf)
    return float(np.mean(labels[distance.argmin(axis=1)] == labels))


def test_all_aml_has_the_published_samples(data_folder):
    X, genes, samples, subtypes, note = data.all_aml()
    assert X.shape == (len(genes), len(samples)) == (5000, 38)
    assert (X.min(), X.max(), X.dtype, note) == (20, 61225, float, "")
    assert subtypes.tolist() == ["ALL-B"] * 19 + ["ALL-T"] * 8 + ["AML"] * 11
    for sample, subtype in zip(samples.tolist(), subtypes.tolist(), strict=True):
        assert sample.startswith(subtype[:3])
        assert sample.endswith("cell") == (subtype != "AML")


def test_classic4_has_the_published_counts(data_folder):
    X, terms, labels, collections, _ = data.classic4()
    assert X.shape == (len(labels), len(terms)) == (7094, 5896)
    assert (X.nnz, X.format, X.dtype) == (247158, "csr", float)
    assert X.data.min() == 1
    assert collections.tolist() == ["cacm", "cisi", "cran", "med"]
    counted = np.bincount(labels)
    assert counted.sum() == 7094
    share = {  # a word of each collection's subject is used mostly there
        word: np.bincount(labels, X[:, np.flatnonzero(terms == word)[0]].toarray(), 4) for word in ("algorithm", "wing")
    }
    assert share["algorithm"].argmax() == 0
    assert share["wing"].argmax() == 2


def test_swimmer_is_the_file(data_folder):
    published = downloads.read_arrays(Path(data_folder) / "swimmer.npz")["X"]
    np.testing.assert_array_equal(data.swimmer().X, published)


def test_swimmer_is_made_of_its_parts():
    X, parts, shape, order = data.swimmer()
    assert (X.shape, parts.shape, shape, order) == ((220, 256), (220, 17), (20, 11), "F")
    assert np.linalg.matrix_rank(X) == 13
    assert len(np.unique(X, axis=1).T) == 256
    assert parts.sum(axis=0).tolist() == [3] * 16 + [14]
    assert parts.sum(axis=1).max() == 1  # no two share a pixel
    present = parts.T @ X == parts.sum(axis=0)[:, None]
    np.testing.assert_array_equal(parts @ present, X)
    assert present[16].all()
    np.testing.assert_array_equal(present[:16].reshape(4, 4, 256).sum(axis=1), 1)  # each limb in one position
    mirrored = parts.reshape(*shape, 17, order=order)[:, ::-1]
    np.testing.assert_array_equal(mirrored[..., :4], parts.reshape(*shape, 17, order=order)[..., 4:8])


# Missing files


@pytest.fixture
def places(tmp_path, monkeypatch):
    """JNMF_DATA and the cache as two empty folders, and no network."""
    given, cache = tmp_path / "given", tmp_path / "cache"
    given.mkdir()
    monkeypatch.setenv("JNMF_DATA", str(given))
    monkeypatch.setattr(pooch, "os_cache", lambda project: str(cache))

    def no_network(*_, **__):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", no_network)
    return given, cache


@pytest.mark.parametrize(("load", "name"), LOADERS.items(), ids=by_name)
def test_a_missing_file_says_what_was_tried_and_what_to_do(places, monkeypatch, load, name):
    monkeypatch.delenv("JNMF_DATA")
    with pytest.raises(data.DataMissing) as caught:
        load()
    told = str(caught.value)
    for part in (f"{name}: not found", "JNMF_DATA (not set)", str(places[1]), "Set the environment variable"):
        assert part in told
    assert f"holds {name}" in told
    file = data.FILES[name]
    assert (file.source or file.url) in told
    assert ("no network" in told) == (not file.source)
    monkeypatch.setenv("JNMF_DATA", str(places[0]))
    with pytest.raises(data.DataMissing, match=f"JNMF_DATA \\({places[0]}\\)"):
        load()


@pytest.mark.parametrize(
    ("load", "source"),
    [(data.mnist_train, "train-images-idx3-ubyte.gz"), (data.olivetti, "olivettifaces.mat")],
    ids=by_name,
)
def test_what_a_missing_file_is_made_from_is_named(places, load, source):
    with pytest.raises(data.DataMissing) as caught:
        load()
    assert f"{source}: not found" in str(caught.value)
    assert data.FILES[source].url in str(caught.value)


@pytest.mark.parametrize(("load", "stand_in"), STAND_INS.items(), ids=by_name)
def test_a_stand_in_is_like_the_real_data_and_says_what_it_is_and_why(places, load, stand_in):
    found, plain = data.or_stand_in(load, stand_in), stand_in()
    assert type(found) is type(plain)
    assert found.note.startswith(plain.note)
    assert len(plain.note) > 20
    assert found.note.endswith(f"Set the environment variable JNMF_DATA to a folder that holds {LOADERS[load]}.")
    assert "Error" not in found.note
    assert equal(found._replace(note=""), plain._replace(note=""))  # and drawn the same again
    assert plain.X.dtype == float
    assert load is data.williams_matrix or plain.X.min() >= 0


def equal(one, other) -> bool:
    dense = lambda A: A.toarray() if hasattr(A, "toarray") else A
    return all(np.array_equal(dense(a), dense(b)) for a, b in zip(one, other, strict=True))


def test_real_data_are_preferred_to_a_stand_in():
    real = data.Matrix(np.ones((2, 2)))
    assert data.or_stand_in(lambda: real, data.signed_rank_3) is real


# Damaged files


def packed(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


NPZ = packed(X=np.random.default_rng(0).integers(256, size=(40, 30), dtype=np.uint8))
GZ = gzip.compress(np.random.default_rng(0).bytes(1000))
FLIPPED = bytes([*NPZ[:200], NPZ[200] ^ 1, *NPZ[201:]])
BROKEN = {
    "empty archive": ("cbcl_faces.npz", b""),
    "truncated archive": ("all_aml.npz", NPZ[: len(NPZ) // 2]),
    "flipped bit": ("classic4.npz", FLIPPED),
    "text": ("olivetti.npz", b"<html>404</html>"),
    "an array, not an archive": ("cbcl_faces.npz", (lambda f: np.save(f, np.ones(3)) or f.getvalue())(io.BytesIO())),
    "pickles": ("all_aml.npz", packed(X=np.array([{}], dtype=object))),
    "truncated gzip": ("t10k-images-idx3-ubyte.gz", GZ[:-20]),
    "gzip with a wrong checksum": ("t10k-images-idx3-ubyte.gz", GZ[:-8] + b"\0" * 8),
    "not gzip": ("t10k-images-idx3-ubyte.gz", b"1 2 3"),
}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("name", "broken"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_both_checksums(places, place, name, broken):
    places[place].mkdir(exist_ok=True)
    path = places[place] / name
    path.write_bytes(broken)
    (load,) = (load for load, asked in LOADERS.items() if asked == name)
    with pytest.raises(data.DataDamaged) as caught:
        data.or_stand_in(load, data.digits)
    for part in (str(path), data.FILES[name].sha256, hashlib.sha256(broken).hexdigest(), "cannot be unpacked"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("load", "content"),
    [(data.cbcl, NPZ), (data.mnist_test, GZ), (data.nmfdata, b"1 2\n")],
    ids=by_name,
)
def test_a_file_of_other_content_is_named_with_both_checksums(places, load, content):
    path = places[0] / LOADERS[load]
    path.write_bytes(content)
    with pytest.raises(data.DataDamaged) as caught:
        load()
    found = hashlib.sha256(downloads.content(path)).hexdigest()
    for part in (str(path), f"expected sha256 {data.FILES[path.name].sha256}", f"found {found}"):
        assert part in str(caught.value)


def test_the_checksum_of_an_archive_is_of_its_arrays(tmp_path):
    """Neither the packing nor the order in memory counts; a name, a type, a shape or an entry does."""
    X, y = np.arange(6, dtype=np.uint8).reshape(2, 3), np.array(["a", "b"])

    def content(save=np.savez, **arrays):
        save(tmp_path / "f.npz", **arrays)
        return downloads.content(tmp_path / "f.npz")

    one = content(X=X, y=y)
    assert content(np.savez_compressed, y=y, X=np.asfortranarray(X)) == one
    others = [{"Z": X, "y": y}, {"X": X.astype(int), "y": y}, {"X": X.reshape(3, 2), "y": y}, {"X": X, "y": y[::-1]}]
    assert len({one, content(X=X), *(content(**arrays) for arrays in others)}) == 6


# Made from public files


def idx(array, code=8) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


def publish(monkeypatch, name, content):
    monkeypatch.setitem(data.FILES, name, data.FILES[name]._replace(sha256=hashlib.sha256(content).hexdigest()))


def put_training_files(places, monkeypatch, images, labels):
    for name, array in (("train-images-idx3-ubyte.gz", images), ("train-labels-idx1-ubyte.gz", labels)):
        publish(monkeypatch, name, idx(array))
        (places[0] / name).write_bytes(gzip.compress(idx(array), compresslevel=1))


def test_mnist_train_is_made_once_from_the_training_files(places, monkeypatch, tmp_path):
    draw = np.random.default_rng(0)
    images, labels = draw.integers(256, size=(1100, 28, 28), dtype=np.uint8), draw.integers(10, size=1100, dtype="u1")
    put_training_files(places, monkeypatch, images, labels)
    np.savez(tmp_path / "expected.npz", X=images[:1000].reshape(1000, 784), y=labels[:1000])
    publish(monkeypatch, "mnist_train_first1000.npz", downloads.content(tmp_path / "expected.npz"))
    found = data.mnist_train()
    np.testing.assert_array_equal(found.X[:, 7].reshape(found.shape, order=found.order), images[7] / 255)
    np.testing.assert_array_equal(found.labels, labels[:1000])
    assert [path.name for path in places[1].iterdir()] == ["mnist_train_first1000.npz"]
    for path in places[0].iterdir():
        path.unlink()
    np.testing.assert_array_equal(data.mnist_train().X, found.X)


def test_a_made_file_of_other_content_is_not_kept(places, monkeypatch):
    put_training_files(places, monkeypatch, np.zeros((1000, 28, 28), np.uint8), np.zeros(1000, np.uint8))
    expected = data.FILES["mnist_train_first1000.npz"].sha256
    with pytest.raises(data.DataMissing, match=f"expected sha256 {expected}, found"):
        data.mnist_train()
    assert list(places[1].iterdir()) == []


def test_a_cache_that_cannot_be_written_is_said(places, monkeypatch):
    put_training_files(places, monkeypatch, np.zeros((1000, 28, 28), np.uint8), np.zeros(1000, np.uint8))
    places[1].write_text("a file where the folder should be")
    with pytest.raises(data.DataMissing, match="FileExistsError"):
        data.mnist_train()


def test_a_damaged_training_file_is_named(places, monkeypatch):
    put_training_files(places, monkeypatch, np.zeros((1000, 28, 28), np.uint8), np.zeros(1000, np.uint8))
    path = places[0] / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(data.DataDamaged, match=str(path)):
        data.mnist_train()


def test_the_conversions_give_the_published_content(data_folder, places, monkeypatch):
    """What is made from public files, rebuilt with the real entries, has the checksum of the given file."""
    real = {
        name: downloads.read_arrays(Path(data_folder) / f"{name}.npz") for name in ("mnist_train_first1000", "olivetti")
    }
    images, labels = (real["mnist_train_first1000"][key] for key in "Xy")
    put_training_files(places, monkeypatch, images.reshape(-1, 28, 28), labels)
    np.testing.assert_array_equal(data.mnist_train().X, images.T / 255)
    path = places[0] / "olivettifaces.mat"
    scipy.io.savemat(path, {"faces": real["olivetti"]["X"], "p": np.ones(3)})
    publish(monkeypatch, path.name, path.read_bytes())
    np.testing.assert_array_equal(data.olivetti().X, real["olivetti"]["X"] / 255)


def test_a_packed_download_is_held_to_its_own_checksum(places, monkeypatch):
    images, labels = np.arange(40, dtype=np.uint8).reshape(10, 2, 2), np.arange(10, dtype=np.uint8)
    served = {"t10k-images-idx3-ubyte.gz": idx(images), "t10k-labels-idx1-ubyte.gz": idx(labels)}
    asked = []

    def retrieve(url, known_hash, name, folder, downloader):
        asked.append((url, known_hash))
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(gzip.compress(served[name]))
        return str(folder / name)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    for name, content in served.items():
        publish(monkeypatch, name, content)
    for _ in range(2):  # the second time from the cache
        found = data.mnist_test()
        np.testing.assert_array_equal(found.X.T, images.reshape(10, 4) / 255)
        np.testing.assert_array_equal(found.labels, labels)
    assert asked == [(data.FILES[name].url, data.FILES[name].packed) for name in served]
    assert all(
        url.endswith(name) and known.startswith("md5:") for (url, known), name in zip(asked, served, strict=True)
    )


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_idx_files_are_read(tmp_path, shape, name):
    array = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    (tmp_path / name).write_bytes(gzip.compress(idx(array)) if name.endswith("gz") else idx(array))
    read = downloads.read_idx(tmp_path / name)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


SMALL = idx(np.ones((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "found ''"),
        (b"\0\0\x08\0", "no IDX file"),
        (b"\1" + SMALL[1:], "found '01 00 08'"),
        (idx(np.ones((2, 3), np.float32), code=13), "found '00 00 0d'"),
        (SMALL[:9], "found 9"),
        (SMALL[:-1], r"shape \(2, 3\) has 18 bytes, found 17"),
        (SMALL + b"\0", r"shape \(2, 3\) has 18 bytes, found 19"),
    ],
)
def test_what_is_no_idx_file_is_refused(tmp_path, content, told):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(data.DataDamaged, match=told) as caught:
        downloads.read_idx(tmp_path / "file")
    assert str(tmp_path / "file") in str(caught.value)


def test_nothing_is_read_at_import(tmp_path):
    """Neither a file of the data folder, nor the network, nor scikit-learn."""
    for name in data.FILES:
        (tmp_path / name).write_text("")
    program = """if True:
        import os, sys
        def watch(event, arguments):
            if event == "socket.connect" or event == "open" and os.environ["JNMF_DATA"] in str(arguments[0]):
                os._exit(9)
        sys.addaudithook(watch)
        import experiments.data
        sys.exit("sklearn" in sys.modules)
    """
    environment = os.environ | {"JNMF_DATA": str(tmp_path)}
    folder = Path(data.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], env=environment, cwd=folder, check=False).returncode == 0


# The structure of the stand-ins


def test_signed_rank_3_has_three_blocks_and_a_third_negative():
    X = data.signed_rank_3(in_order=True).X
    np.testing.assert_array_equal(np.sort(X, axis=None), np.sort(data.signed_rank_3().X, axis=None))
    assert X.shape == (150, 105)
    assert 0.25 < np.mean(X < 0) < 0.4
    values = np.linalg.svd(X, compute_uv=False)
    assert values[2] > 3 * values[3]
    assert values[3] < 1.1 * 0.2 * (np.sqrt(150) + np.sqrt(105))  # the rest is noise of sd 0.2
    block = np.abs(X).reshape(3, 50, 105).mean(axis=1).argmax(axis=0)
    np.testing.assert_array_equal(block, np.repeat([0, 1, 2], [50, 50, 5]))


def test_digits_are_labelled_images():
    X, labels, shape, order, _ = data.digits()
    assert (X.shape, X.max(), shape, order) == ((64, 1797), 1, (8, 8), "C")
    assert labels is not None
    assert np.unique(labels).tolist() == list(range(10))
    assert neighbours_share_label(X, labels) > 0.95


def test_drawn_faces_are_sums_of_few_parts():
    small, large = data.cbcl_like(), data.olivetti_like()
    assert (small.X.shape, small.shape, small.order, small.labels) == ((361, 500), (19, 19), "F", None)
    assert (large.X.shape, large.shape, large.order) == ((4096, 400), (64, 64), "F")
    assert (small.X.max(), large.X.max()) == (255, 1)
    np.testing.assert_array_equal(small.X, np.rint(small.X))
    for P in (small.X, 255 * large.X):
        values = np.linalg.svd(P[:, :100], compute_uv=False)
        rank = len(data.FACE_PARTS)
        rounding = np.sqrt(P[:, :100].size / 12)  # the norm of the rounding to whole numbers
        assert np.sqrt(np.sum(values[rank:] ** 2)) < 1.1 * rounding < values[rank - 1]
    assert large.labels is not None
    assert np.bincount(large.labels).tolist() == [10] * 40
    assert neighbours_share_label(large.X, large.labels) > 0.9
    face = large.X.mean(axis=1).reshape(large.shape, order="F")
    np.testing.assert_allclose(face[13:20, 15:28].mean(), face[13:20, -28:-15].mean(), rtol=0.2)  # brows left and right
    assert np.all(np.isfinite(data.cbcl_lee_seung(small.X)))


def test_planted_clusters_are_in_the_samples():
    X, genes, samples, subtypes, _ = data.planted_clusters()
    assert X.shape == (len(set(genes)), len(set(samples))) == (1000, 38)
    assert X.min() > 0
    assert subtypes.tolist() == ["A"] * 19 + ["B"] * 8 + ["C"] * 11
    alike = np.corrcoef(np.log(X).T - np.log(X).mean(axis=1))
    same = subtypes[:, None] == subtypes
    assert alike[same].min() > 0.5 > 0 > alike[~same].max()
    assert data.planted_clusters(num_genes=30, sizes=(4, 5)).X.shape == (30, 9)
    assert not np.array_equal(data.planted_clusters(seed=1).X, X)


def test_planted_topics_are_in_the_documents():
    X, terms, labels, collections, _ = data.planted_topics()
    assert X.shape == (len(labels), len(set(terms))) == (1000, 800)
    assert X.format == "csr"
    assert min(X.sum(axis=0).min(), X.sum(axis=1).min()) >= 1
    np.testing.assert_array_equal(X.data, np.rint(X.data))
    assert len(collections) == 4
    own = X.toarray() @ np.eye(4)[np.arange(800) % 4]  # words of each topic, by document
    np.testing.assert_array_equal(own.argmax(axis=1), labels)
    assert data.planted_topics(50, 30).X.shape == (50, 30)
