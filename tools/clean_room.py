"""jnmf as it is installed, tested in an environment of its own and in a folder without its sources.

python -m tools.clean_room dist       build wheel and sdist into dist/, test the wheel
python -m tools.clean_room versions   test with the oldest packages that pyproject.toml allows, and with the newest
python -m tools.clean_room oldest     print the oldest ones, as constraints for pip
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Of a wheel that it is whole. Of versions a file for each part of JAX that the library leans on: loops and batches, a
# primitive of its own, callbacks, devices.
TESTS = {"dist": ("test_factors", "test_io"), "versions": ("test_nnls", "test_sparse", "test_streamed", "test_sweep")}
TOOLS = ("hypothesis>=6.100", "mpmath>=1.3", "pandas>=2.1", "pytest>=8")


def oldest() -> list[str]:
    """name==version for each `name>=version` that jnmf and its studies depend on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needs = project["dependencies"] + extras["plot"] + extras["experiments"]
    pinned = [need.replace(">=", "==") for need in needs if ">=" in need]
    return pinned + [need.replace("jax==", "jaxlib==") for need in pinned if need.startswith("jax==")]


def environment(folder: Path, *packages: str, constraints=()) -> Path:
    """The interpreter of a new environment in which `packages` are installed."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    (folder / "constraints.txt").write_text("\n".join(constraints))
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", folder / "constraints.txt"]
    subprocess.run([*install, *packages], check=True)
    return python


def build(python: Path, folder: Path) -> tuple[Path, Path]:
    """The wheel, made from the sdist as an installer would, and the sdist."""
    subprocess.run([python, "-m", "build", "--outdir", folder, ROOT], check=True, stdout=subprocess.DEVNULL)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def check(python: Path, sdist: Path, folder: Path, names) -> None:
    """The tests of an sdist on the jnmf that is installed; its own is taken out first."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (room,) = folder.glob("jnmf-*")
    for package in ("jnmf", "jnmf_cli"):
        shutil.rmtree(room / package)
    asked = "import jax, jnmf; print('JAX', jax.__version__, jnmf.__file__); assert 'site-packages' in jnmf.__file__"
    subprocess.run([python, "-c", asked], check=True, cwd=room)
    tests = [f"tests/{name}.py" for name in names]
    subprocess.run([python, "-m", "pytest", "--durations=0", "--durations-min=30", *tests], check=True, cwd=room)


def main(what: str) -> None:
    if what == "oldest":
        print("\n".join(oldest()))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel, sdist = build(environment(folder / "build", "build"), folder)
        runs = {"newest": ()} | ({"oldest": oldest()} if what == "versions" else {})
        for run, constraints in runs.items():
            python = environment(folder / run, f"{wheel}[experiments]", *TOOLS, constraints=constraints)
            (folder / f"room of the {run}").mkdir()
            check(python, sdist, folder / f"room of the {run}", TESTS[what])
        if what == "dist":
            (ROOT / "dist").mkdir(exist_ok=True)
            for file in (wheel, sdist):
                shutil.copy(file, ROOT / "dist")
                print(f"dist/{file.name}")


if __name__ == "__main__":
    if sys.argv[1:] not in (["dist"], ["versions"], ["oldest"]):
        sys.exit(__doc__)
    main(sys.argv[1])
