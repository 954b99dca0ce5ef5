"""Ctrl-C in the middle of a fit, then the rest of it: python tests/interrupted_fit.py prints what came of it, as JSON.

The signal comes from a timer, as it does from a keyboard: while a program runs. The end has the bits of a fit that was
left alone, also by way of a file.
"""

import json
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import jax
import numpy as np

import jnmf
from jnmf import pausing

X = np.random.default_rng(0).random((40, 30), np.float32)
TOTAL = 50_000  # half a second or so


def call(**keywords):
    return jnmf.fit(X, 4, jnmf.HALS(), tol=0, max_iters=TOTAL, **keywords)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
    pausing.PAUSE = 0.05
    call(time_limit=0)  # compiles
    begun = time.monotonic()
    whole = call()
    third = (time.monotonic() - begun) / 3
    pressed = []

    def press():
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(third, press).start()
    try:
        call()
    except jnmf.Interrupted as interrupted:
        waited, part = time.monotonic() - pressed[0], interrupted.fit
    else:
        raise SystemExit("the fit was not interrupted")
    with tempfile.TemporaryDirectory() as folder:
        jnmf.save(Path(folder) / "part", part)
        kept = jnmf.load(Path(folder) / "part")
    ends = [jnmf.fit(X, resume=found, max_iters=TOTAL) for found in (part, kept)]
    leaves = lambda fit: jax.tree.leaves(fit._replace(state=None))
    equal = [all(map(lambda a, b: np.array_equal(a, b, equal_nan=True), leaves(whole), leaves(end))) for end in ends]
    told = {"total": TOTAL, "interrupted_at": part.num_iters, "status": part.status.name, "waited": waited}
    print(
        json.dumps(told | {"equal": equal, "restored": signal.getsignal(signal.SIGINT) is signal.default_int_handler})
    )


if __name__ == "__main__":
    main()
