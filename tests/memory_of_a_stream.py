"""A fit to a file larger than the memory it may take, which test_streamed.py runs: python … FILE BLOCK."""

import json
import resource
import sys
import threading
import time

import numpy as np

LIMIT = 2 * 2**30


def own_memory() -> int:
    """Bytes that are this process's alone: pages of the file that are mapped can be dropped at any time."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

import jnmf  # noqa: E402

path, block = sys.argv[1], int(sys.argv[2])
small = jnmf.streamed(np.random.default_rng(0).random((300, 50), dtype=np.float32), block=100)
options = {"algorithm": jnmf.HALS(), "max_iters": 3, "tol": 0, "resumable": False}
jnmf.fit(small, 8, **options)  # what the library and its programs take

before, most, done = own_memory(), [0], threading.Event()


def watch():
    while not done.wait(0.002):
        most[0] = max(most[0], own_memory())


watcher = threading.Thread(target=watch)
watcher.start()
begun = time.perf_counter()
X = jnmf.streamed(path, block=block)
found = jnmf.fit(X, 8, **options)
seconds = time.perf_counter() - begun
done.set()
watcher.join()
m, n = X.shape
told = {"grew": most[0] - before, "block": X.block * n * 4, "seconds": seconds, "size": 4 * m * n}
told |= {"factors": 4 * 8 * (m + n), "loss": float(found.loss), "losses": np.asarray(found.trace.loss).tolist()}
print(json.dumps(told))
