"""float64 is switched on here, never by the library; mixed ranks are errors."""

import gc
import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
# The threads of BLAS wait for each other in a loop: beside another worker a small SVD takes fifty times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
import pytest
import quick_programs
from hypothesis import Phase, settings

from experiments import data

pytest.register_assert_rewrite("every_study")
settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])  # that a test fails says enough

gc.set_threshold(100_000, 20, 20)  # what tracing makes is seldom garbage, and to look through it takes a tenth of all
jax.config.update("jax_enable_x64", True)
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    jax.config.update("jax_num_cpu_devices", 2)  # sweeps are spread over them
jax.config.update("jax_numpy_rank_promotion", "raise")
# The tests compile hundreds of tiny programs, and most of their time is the optimiser's. Real data: see `optimized`.
jax.config.update("jax_disable_most_optimizations", True)
# Programs are kept between runs: a second one takes a third of the time.
if not jax.config.values["jax_compilation_cache_dir"]:
    jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parent.parent / ".cache" / "programs"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)

# The longest files first: one that starts last keeps a single worker busy at the end.
LONGEST = (
    *("test_proofs", "test_sparse", "test_loops", "test_terms", "test_units", "test_algorithms", "test_warm_start"),
    *("test_cross_validation", "test_losses", "test_kinds", "test_weights", "test_housekeeping", "test_nnls"),
    *("test_transform", "test_combinators", "test_minibatch", "test_door", "test_robust", "test_multiplicative"),
    *("test_study_lab_synthetic", "test_study", "test_readme", "test_sweep", "test_estimator", "test_docstrings"),
    *("test_pausing", "test_similarity", "test_testing", "test_exact", "test_sharded", "test_sparse_blocks"),
    *("test_solvers", "test_study_faces", "test_masks", "test_cli", "test_plot", "test_bootstrap", "test_streamed"),
)


def pytest_configure(config):
    if config.option.markexpr == "not slow":
        os.environ["XLA_FLAGS"] = f"{quick_programs.XLA_FLAGS} {os.environ.get('XLA_FLAGS', '')}"


def _any(cases) -> int:
    """One of them, always the same: where all families took the first, all would have that dtype and method."""
    return sum(cases[0].originalname.encode()) % len(cases)


@pytest.hookimpl(tryfirst=True)  # before what is slow is taken out
def pytest_collection_modifyitems(items):
    families = {}
    for item in items:
        if item.get_closest_marker("quick") and not item.get_closest_marker("slow"):
            families.setdefault((item.path, item.originalname), []).append(item)
    for cases in families.values():
        last, keep = len(cases) - 1, cases[0].get_closest_marker("quick").args[0]
        kept = {round(i * last / (keep - 1)) for i in range(keep)} if keep > 1 else {_any(cases)}
        for i in set(range(len(cases))) - kept:
            cases[i].add_marker(pytest.mark.slow)
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """A module seldom uses the programs of another, and all of them take gigabytes."""
    yield
    jax.clear_caches()
    COMPILED.clear()


MOST_PROGRAMS = 1000  # Linux gives a process 65530 memory maps, a program takes several, and without one XLA crashes
COMPILED = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, seconds, **_: COMPILED.append(seconds) if name.endswith("backend_compile_duration") else None
)


@pytest.fixture
def compiled():
    """A list that each program compiled makes longer by one; clear it before what is to be counted."""
    return COMPILED


def pytest_runtest_teardown():
    if len(COMPILED) > MOST_PROGRAMS:
        jax.clear_caches()
        COMPILED.clear()


@pytest.fixture
def optimized():
    """Programs compiled as users compile them (in a quick run, but for how loops are written)."""
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()
    yield
    jax.config.update("jax_disable_most_optimizations", True)
    jax.clear_caches()


@pytest.fixture(scope="module", params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real data, from JNMF_DATA; tests that need it are skipped without."""
    folder = os.environ.get("JNMF_DATA")
    if not folder:
        pytest.skip("real data: set JNMF_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def nmfdata(data_folder):
    return np.loadtxt(os.path.join(data_folder, "nmfdata.txt"))


@pytest.fixture(scope="session")
def cbcl_book(data_folder):
    """CBCL faces in the book's form, (256 − P)/256, 361 × 2429."""
    with np.load(os.path.join(data_folder, "cbcl_faces.npz")) as archive:
        pixels = archive[archive.files[0]]
    return (256 - pixels.astype(float)) / 256


@pytest.fixture(scope="module")
def arrays(request):
    """Of the file's `study` at TINY, computed once, without the data it calls MISSING."""
    from every_study import Arrays, missing

    with pytest.MonkeyPatch.context() as patch:
        for loader in getattr(request.module, "MISSING", ()):
            patch.setattr(data, loader, missing)
        return Arrays(request.module.study.compute(request.module.study.TINY))


@pytest.fixture(scope="module")
def sections(request, arrays):
    return request.module.study.sections(arrays)


@pytest.fixture(scope="module")
def told(request, arrays):
    """(a word of the question, arrays that are other than computed) -> the answer."""
    from every_study import answer

    study, told = request.module.study, {}
    for question in getattr(study, "QUESTIONS", (study,)):
        told |= {section.question: question for section in question.sections(arrays)}

    def tell(word, **changed):
        (asked,) = [question for title, question in told.items() if word in title]
        return answer(asked.sections(arrays.but(**changed)), word)

    return tell


def pytest_generate_tests(metafunc):
    """A line of the tables of a study, `FACTS` and `WORDS` (every_study.py), is a test."""
    if "fact" in metafunc.fixturenames:
        metafunc.parametrize("fact", getattr(metafunc.module, "FACTS", {}))
    if "said" in metafunc.fixturenames:
        rows = getattr(metafunc.module, "WORDS", [])
        metafunc.parametrize("said", rows, ids=[f"{i} {row[0]}" for i, row in enumerate(rows)])
