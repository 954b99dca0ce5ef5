"""The studies: `python -m experiments` lists them, `python -m experiments NAME` runs one, `all` runs each in turn."""

import argparse
import dataclasses
import os
import sys
import tempfile
import types
import typing
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from experiments import data, page, study


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        listing()
        return 0
    options = vars(parser().parse_args(arguments))
    names, out = options.pop("names"), options.pop("out")
    fresh, size = options.pop("fresh"), options.pop("size")
    make_writable(out)
    jax.config.update("jax_enable_x64", True)
    if not jax.config.values["jax_compilation_cache_dir"]:  # programs are compiled once and read from the disk
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(cache, "jnmf", "programs"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

    console, failed = Console(), []
    for name in names:
        module = study.load(name)
        settings = dataclasses.replace(getattr(module, size) if size else module.Settings(), **options)
        console.print(f"[bold]{name}[/]: {module.TITLE}", highlight=False)
        try:
            record = study.perform(name, settings, out, fresh=fresh, progress=True)
            study.save_figures(name, module.plot(record.arrays), out)
        except KeyboardInterrupt:
            console.print(f"interrupted in {name}; finished studies are kept in {out} and will not run again")
            return 130
        except (data.DataMissing, data.DataDamaged, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
            continue
        page.write_study(name, record, out)
        page.write_page(out)  # after each study, so that an interruption leaves a page
        if len(names) == 1:
            show(module.sections(record.arrays), console)
        console.print(f"  {record.made['seconds']:.1f} s of computing", highlight=False)
    if len(failed) < len(names):
        console.print(f"the page: {out / 'index.html'}", highlight=False, soft_wrap=True)
    return 1 if failed else 0


def listing() -> None:
    table = Table("study", "what it asks", "source", box=None, pad_edge=False)
    for name in study.NAMES:
        table.add_row(name, study.load(name).TITLE, study.load(name).SOURCE)
    console = Console()
    console.print(table)
    console.print("\npython -m experiments NAME runs one, `all` runs each; NAME --help shows its settings")


def show(sections: list[study.Section], console: Console) -> None:
    """The questions and answers on the terminal."""
    for section in sections:
        console.print(f"\n[bold]{section.question}[/]", highlight=False)
        console.print(section.answer, highlight=False, markup=False)
        for table in section.tables:
            shown = Table(*table.columns, title=table.caption or None, title_justify="left", box=None, pad_edge=False)
            for row in table.rows:
                shown.add_row(*row)
            console.print(shown, markup=False)


def parser() -> argparse.ArgumentParser:
    """One subcommand a study, with one option a setting; `all` has only those that suit every study."""
    top = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    commands = top.add_subparsers(metavar="NAME", required=True)
    every = commands.add_parser("all", help="each study in turn")
    every.set_defaults(names=sorted(study.NAMES, key=lambda name: name != study.FIRST))
    _common(every)
    for name in study.NAMES:
        module = study.load(name)
        one = commands.add_parser(name, help=module.TITLE, description=f"{module.TITLE} ({module.SOURCE})")
        one.set_defaults(names=[name])
        _common(one)
        types_of = typing.get_type_hints(module.Settings)
        for field in dataclasses.fields(module.Settings):
            # Suppressed where not given: the value is then that of the chosen size.
            _setting(one, field, types_of[field.name])
    return top


def _common(command: argparse.ArgumentParser) -> None:
    sizes = command.add_mutually_exclusive_group()
    sizes.add_argument("--full", dest="size", action="store_const", const="FULL", help="the source's own sizes")
    sizes.add_argument("--tiny", dest="size", action="store_const", const="TINY", help="only to see that it runs")
    command.add_argument("--fresh", action="store_true", help="compute, even if it is kept in the folder")
    folder = "folder of page, figures, arrays (default: %(default)s)"
    command.add_argument("--out", type=Path, default=Path("results"), help=folder)


def _setting(command: argparse.ArgumentParser, field: dataclasses.Field, type_: Any) -> None:
    name, shown = "--" + field.name.replace("_", "-"), _shown(field.default)
    keywords: dict[str, Any] = {"default": argparse.SUPPRESS, "dest": field.name}
    if type_ is bool:
        command.add_argument(name, action=argparse.BooleanOptionalAction, help=f"default: {shown}", **keywords)
    elif typing.get_origin(type_) is tuple:
        item = typing.get_args(type_)[0]
        command.add_argument(
            name, metavar="V", nargs="+", type=item, action=_Tuple, help=f"one or more (default: {shown})", **keywords
        )
    else:
        kind = typing.get_args(type_)[0] if isinstance(type_, types.UnionType) else type_
        command.add_argument(name, metavar=kind.__name__.upper(), type=kind, help=f"default: {shown}", **keywords)


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


class _Tuple(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, tuple(values))  # pyright: ignore[reportArgumentType]


def make_writable(out: Path) -> None:
    """Fail before the work, not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        sys.exit(f"cannot write to the folder {out} ({error.strerror}); choose another with --out")


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())  # sweeps take one each
    sys.exit(main())
