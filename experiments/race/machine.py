"""The machine: its cores and threads, other programs on it, memory, versions, and a Python of its own for a run.

Threads: the process starts itself again with its cores limited (where the system can) and the environment variables of
OpenMP, BLAS and XLA set, before anything is imported; PyTorch is told too. JAX has a device for each core, which only
sweeps use. Threads of OpenMP that have no work sleep (OMP_WAIT_POLICY, unless it is set): those of one library would
else keep the cores from the next, and from each other on a machine that is not idle. The results hold what each library
says.
"""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import threadpoolctl

from experiments.race import peers

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC")
PINNED = "JNMF_RACE_THREADS"


def pin(threads: int) -> None:
    """Start this program again on so many cores, with as many threads for OpenMP, BLAS and XLA (NPROC)."""
    if os.environ.get(PINNED) == str(threads):
        peers.use_threads(threads)
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.update({variable: str(threads) for variable in (*THREAD_VARIABLES, "JAX_NUM_CPU_DEVICES", PINNED)})
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_seconds_of_others() -> float:
    """What all processes but this one and its children have computed since the start; 0 where Linux does not tell."""
    first = next(iter(_lines("/proc/stat")), "")
    ticks = [int(number) for number in first.split()[1:9]]
    user, nice, system, _, _, *interrupts_and_stolen = ticks or [0] * 8
    total = (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")
    return total - sum(os.times()[:4])


def described() -> dict[str, Any]:
    """Processor, cores, threads as each library reports them, versions."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    libraries = {Path(pool["filepath"]).name: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    if "torch" in sys.modules:
        libraries["PyTorch"] = sys.modules["torch"].get_num_threads()
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "cores_used": available_cores(),
        "pinned": PINNED in os.environ,
        "threads": libraries,
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY"),
        "devices": [str(device) for device in jax.devices()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of jnmf, what it stands on, and the packages of the peers, as far as they are installed."""
    found = {}
    for package in ("jnmf", "jax", "jaxlib", "numpy", "scipy", *peers.packages()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def child(program: str, environment: dict[str, str] | None = None) -> Any:
    """What a Python program that runs in a process of its own prints last, as JSON."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JAX_COMPILATION_CACHE")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=inherited | (environment or {}),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory(reset: bool = False) -> int:
    """The most bytes that this process has held; after a reset, where Linux allows it, since now."""
    if sys.platform == "linux":  # getrusage would not do: it remembers the parent's size from before the program began
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        (peak,) = (line for line in _lines("/proc/self/status") if line.startswith("VmHWM:"))
        return 1024 * int(peak.split()[1])
    import resource

    return (1 if sys.platform == "darwin" else 1024) * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []
