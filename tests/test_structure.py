"""The shape of the library: what imports what, and what need not be installed."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / "jnmf").rglob("*.py")}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items()}
HIGHEST = 10  # floors


def imported(name) -> set[str]:
    """The modules of jnmf that a module imports at its top."""
    found = set()
    for node in ast.parse(MODULES[name].read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jnmf":
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in MODULES else node.module)
    return found - {name}


@cache
def floor(name) -> int:
    """The longest chain of imports below a module; a circle would have no end."""
    return 1 + max((floor(below) for below in imported(name)), default=-1)


def test_no_chain_of_imports_is_long_or_a_circle():
    assert max((floor(name), name) for name in MODULES)[0] <= HIGHEST


def test_no_module_uses_a_private_name_of_another():
    of_others = re.compile(r"\b(\w+)\._[a-z]\w*")
    modules = {name.split(".")[-1] for name in MODULES} | {"inits"}
    for path in MODULES.values():
        text = path.read_text()
        private = [f"{name}" for name in of_others.findall(text) if name in modules]
        private += re.findall(r"^from jnmf\S* import .*\b_[a-z]\w*", text, flags=re.MULTILINE)
        assert private == [], path.name


def test_every_file_has_its_line_in_the_guide():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`([\w/]+\.py)`", guide.split("## The files")[1]))
    of_command = {str(path.relative_to(ROOT)) for path in (ROOT / "jnmf_cli").rglob("*.py")}
    assert named == {str(path.relative_to(ROOT / "jnmf")) for path in MODULES.values()} | of_command


def test_the_library_does_not_know_the_command():
    for path in MODULES.values():
        assert path.name == "__main__.py" or "jnmf_cli" not in path.read_text(), path.name


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


PARTS = ("algorithm", "estimator", "init", "losses", "matrix", "minibatch", "plot", "solvers", "terms", "testing")
PUBLIC = ("jnmf", *(f"jnmf.{name}" for name in PARTS), "jnmf.warm_start")


def public(module):
    """The functions and classes of a module by name: of its `__all__`, or those that are its own."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return {name: getattr(module, name) for name in getattr(module, "__all__", own) if not name.startswith("_")}


def functions(name, value):
    """The function that a name stands for, or the public ones of a class with its `__init__`, by what they are called.

    A method that overrides one of its base class may leave out the types, which type checkers take from there: formulas
    stay short. A lambda is its own type.
    """
    if inspect.isclass(value):
        for key, method in vars(value).items():
            method = getattr(method, "fget", getattr(method, "__func__", method))
            inherited = any(hasattr(base, key) for base in value.__bases__ if base.__module__.startswith("jnmf"))
            written = inspect.isfunction(method) and method.__qualname__ == f"{value.__qualname__}.{key}"
            if written and not inherited and (not key.startswith("_") or key in ("__init__", "__call__")):
                yield f"{name}.{key}", method
    elif callable(value) and inspect.isfunction(inspect.unwrap(value)):
        yield name, value


def not_annotated(function) -> list[str]:
    signature = inspect.signature(function)
    found = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name not in ("self", "cls")]
    is_init = function.__name__ == "__init__"
    return found + ["return"] * (signature.return_annotation is signature.empty and not is_init)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_signatures_are_annotated(name):
    module = importlib.import_module(name)
    looked_at = dict(pair for item in public(module).items() for pair in functions(*item))
    assert looked_at
    assert {name: missing for name, function in looked_at.items() if (missing := not_annotated(function))} == {}


HEAVY = ("jaxopt", "optax", "matplotlib", "rich", "sklearn", "pandas")


def test_what_only_some_calls_need_is_imported_by_those():
    found = run_python(f"import sys, jnmf; print(*[name for name in {HEAVY} if name in sys.modules])")
    assert found.split() == []


@pytest.mark.slow
def test_all_defaults_work_without_jaxopt():
    run_python(
        """
import sys
sys.modules["jaxopt"] = None  # its import fails
import jax, numpy as np, jnmf
jax.config.update("jax_disable_most_optimizations", True)
X = np.random.default_rng(0).random((6, 5))
fitted = jnmf.fit(X, 2, max_iters=2)
jnmf.run(X, fitted.factors, jnmf.ANLS(), num_iters=1)
jnmf.sweep(X, [2], num_restarts=1, max_iters=1)
jnmf.transform(X, fitted.H), jnmf.nnls(X, X)
"""
    )
