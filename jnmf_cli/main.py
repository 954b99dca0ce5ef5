"""`main`: the command line to a command, and what goes wrong to an exit code."""

import importlib
import io
import os
import sys
import warnings
from importlib.metadata import version

from jnmf_cli.arguments import parser
from jnmf_cli.errors import Refused, note, of_file

DONE, BAD_INPUT, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run `jnmf` with these arguments; the exit code: 0 done, 1 bad input, 2 usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know ≈
    made = parser()
    try:
        options = made.parse_args(argv)
    except SystemExit as end:  # argparse has printed the help, or what is wrong
        return int(end.code or 0)
    if options.version:
        print(version("jnmf"))
        return DONE
    if options.command is None:
        made.print_help(sys.stderr)
        return USAGE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what packages say to programmers
        warnings.filterwarnings("default", module=r"jnmf")
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {message}")
        return _run(options)


def _run(options) -> int:
    try:
        command = importlib.import_module(f"jnmf_cli.{options.command}")
        return DONE if command.run(options) else INTERRUPTED
    except KeyboardInterrupt:
        note("interrupted before there was anything to keep")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read what is printed has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        told = of_file(error.filename, error) if error.filename else error
    except ImportError as error:
        told = error if "pip install" in str(error) else f"{error}; run pip install 'jnmf[cli]'"
    except (Refused, ValueError, TypeError) as error:
        told = error
    except MemoryError:
        told = "the memory does not suffice; try --float32, a smaller rank, or fewer rows"
    except RuntimeError as error:  # JAX's
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        told = "the memory does not suffice; try --float32, a smaller rank, or fewer rows"
    note(f"error: {told}")
    return BAD_INPUT
