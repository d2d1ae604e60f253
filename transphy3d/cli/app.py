"""The root of the command line: its version, and how errors become exit codes."""

from __future__ import annotations

import contextlib
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from transphy3d import __version__
from transphy3d.errors import DiskFull, Interrupted, TransPhy3DError
from transphy3d.files import is_full
from transphy3d.signals import STOP_SIGNALS

app = typer.Typer(
    name="transphy3d",
    help="Synthetic videos of transparent and reflective objects with exact ground truth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 well, 2 job, 3 asset, 4 impossible scene, 5 try failed, 6 device, "
    "7 damaged data, 8 run, 9 disk full, 10 held by another process, 75 interrupted.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


EXTRAS = dict.fromkeys(
    ("accelerate", "diffusers", "peft", "safetensors", "torch", "transformers"), "dkt"
)
EXTRAS["gradio"] = "demo"


def main() -> None:
    """Run the command line; errors that a user can mend are one line and an exit code."""
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        app()
    except TransPhy3DError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("transphy3d"):
            raise
        extra = EXTRAS.get(error.name or "", "render")
        _fail(f"{error}; pip install 'transphy3d[{extra}]'", TransPhy3DError.exit_code)
    except OSError as error:
        if not is_full(error):
            raise
        _fail(f"{error}; what is finished is kept: free space, run again", DiskFull.exit_code)


def _fail(message: str, code: int) -> NoReturn:
    """End with one line; on a full disk even that may not fit into a log, but the code does."""
    with contextlib.suppress(OSError):
        print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # Schedulers signal every process of a task, and its agent passes it on: a second signal must
    # not break off what the first one makes us write down.
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(f"{signal.Signals(number).name} received; run the same command to go on")
