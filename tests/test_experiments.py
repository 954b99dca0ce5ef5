"""The experiments: the data they read or draw, and a tiny setting of each from the command line to the files."""

import hashlib
import http.server
import threading
from functools import partial

import numpy as np
import pooch
import pytest
import requests

from experiments import data

# The lab's generator


def svd_error(V, rank):
    s = np.linalg.svd(V, compute_uv=False)
    return np.linalg.norm(s[rank:]) / np.linalg.norm(s)


def test_generated_factors_are_the_published_ones():
    _, W, H = data.generate_dataset_NMF(0.1)
    assert (W.shape, H.shape) == ((200, 25), (25, 100))
    assert (W.sum(), H.sum()) == (4075.437635883134, 2024.2711440178525)
    assert min(W.min(), H.min()) >= 0


@pytest.mark.parametrize(
    ("noise_level", "norm", "bound"),
    [(0, 2400.928521543581, 0), (0.1, 2401.0941543332588, 0.0047666), (1, 2406.325297801838, 0.0473253)],
)
def test_generated_matrix_has_the_published_norm_and_rank_25_bound(noise_level, norm, bound):
    V = data.generate_dataset_NMF(noise_level).V
    assert V.shape == (200, 100)
    assert V.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(V), norm, rtol=1e-14)
    np.testing.assert_allclose(svd_error(V, 25), bound, atol=5e-8)


def test_without_noise_the_matrix_is_the_product_and_large_noise_is_clipped():
    V, W, H = data.generate_dataset_NMF(0)
    np.testing.assert_allclose(V, W @ H, rtol=1e-14)
    np.testing.assert_allclose(svd_error(V, 20), 0.0276323, atol=5e-8)
    assert np.mean(data.generate_dataset_NMF(100).V == 0) > 0.3


@pytest.mark.parametrize("noise_level", [-1, np.nan, np.inf])
def test_noise_level_must_be_finite_and_nonnegative(noise_level):
    with pytest.raises(ValueError, match="noise_level: expected a finite number"):
        data.generate_dataset_NMF(noise_level)


# Finding files: a small one stands for nmfdata.txt

CONTENT = b"1 2\n3 4\n" * 1000
NAME = "nmfdata.txt"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """JNMF_DATA and the cache as two empty folders, and no network."""
    given, cache = tmp_path / "given", tmp_path / "cache"
    given.mkdir()
    cache.mkdir()
    monkeypatch.setenv("JNMF_DATA", str(given))
    monkeypatch.setattr(pooch, "os_cache", lambda project: cache)
    monkeypatch.setitem(data.FILES, NAME, data.File(hashlib.sha256(CONTENT).hexdigest(), "https://nowhere.invalid/f"))

    def no_network(*_, **__):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", no_network)
    return given, cache


def test_the_given_folder_comes_before_the_cache(places):
    given, cache = places
    for folder in places:
        (folder / NAME).write_bytes(CONTENT)
    assert data.fetch(NAME) == given / NAME
    (given / NAME).unlink()
    assert data.fetch(NAME) == cache / NAME
    assert data.nmfdata().shape == (2000, 2)


def test_without_the_variable_the_cache_is_read(places, monkeypatch):
    monkeypatch.delenv("JNMF_DATA")
    (places[1] / NAME).write_bytes(CONTENT)
    assert data.fetch(NAME) == places[1] / NAME


def test_a_missing_file_says_what_was_tried_and_what_to_do(places):
    with pytest.raises(data.DataMissing) as caught:
        data.fetch(NAME)
    for part in (NAME, *map(str, places), "https://nowhere.invalid/f", "no network", "Set the environment variable"):
        assert part in str(caught.value)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("content", [CONTENT[:-7], b"", b"x" + CONTENT[1:]])
def test_a_damaged_file_is_named_with_both_checksums(places, place, content):
    path = places[place] / NAME
    path.write_bytes(content)
    with pytest.raises(data.DataDamaged) as caught:
        data.nmfdata()
    for part in (str(path), hashlib.sha256(content).hexdigest(), hashlib.sha256(CONTENT).hexdigest()):
        assert part in str(caught.value)


@pytest.fixture
def server(tmp_path):
    """The address of a folder served on this machine, which holds `good` and `truncated`."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "good").write_bytes(CONTENT)
    (served / "truncated").write_bytes(CONTENT[:-7])

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("page", ["good", "truncated", "absent"])
def test_download_goes_to_the_cache_and_is_checked(page, server, tmp_path, monkeypatch, capfd):
    cache = tmp_path / "cache"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("JNMF_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: cache)
    monkeypatch.setitem(data.FILES, NAME, data.File(hashlib.sha256(CONTENT).hexdigest(), f"{server}/{page}"))
    if page == "good":
        assert data.fetch(NAME) == cache / NAME
        assert (cache / NAME).read_bytes() == CONTENT
        assert "8.0/8.0 kB" in capfd.readouterr().err
    else:
        with pytest.raises(data.DataMissing, match="does not match" if page == "truncated" else "404"):
            data.fetch(NAME)
        assert not (cache / NAME).exists()


def test_the_real_file_is_the_published_one(nmfdata):
    X = data.nmfdata()
    np.testing.assert_array_equal(X, nmfdata)
    assert X.shape == (150, 105)
    assert np.sum(X < 0) == 5183
