"""The examples run, are a page, and print a finite number for each of what they compare."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.quick(2)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, capsys):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40
    runpy.run_path(str(path))
    numbers = [float(number) for number in re.findall(r"\d+\.\d{3}", capsys.readouterr().out)]
    assert len(numbers) >= 2
    assert np.isfinite(numbers).all()
