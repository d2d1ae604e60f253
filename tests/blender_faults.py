"""A Blender that dies or waits where a test says, so that tests hit runs instead of racing them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# The interpreter imports a sitecustomize from PYTHONPATH at its start; renaming is an audit event.
# Where it waits, a signal that a handler takes lets it go: it can finish its picture and stop.
SITECUSTOMIZE = """\
import os, select, signal, socket, sys

argv, node, made = " ".join(sys.orig_argv), os.environ.get("SLURMD_NODENAME"), 0
woken, waker = socket.socketpair()


def asked_to_stop(seconds):
    return bool(select.select([woken], [], [], seconds)[0])


def before_rename(event, arguments):
    global made
    if event == "os.rename" and "/frames/" in str(arguments[1]):
        picture = str(arguments[1])
        if {hold_if} and os.path.exists({held!r}):
            with open({waited!r}, "a") as waited:
                waited.write(picture + "\\n")
        while {hold_if} and os.path.exists({held!r}) and not asked_to_stop(0.05):
            pass
        made += 1


if "transphy3d.blender.worker" in argv:
    if {crash_if}:
        os.kill(os.getpid(), signal.SIGSEGV)
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    sys.addaudithook(before_rename)
"""


@dataclass(frozen=True)
class BlenderFaults:
    """What is to happen to every Blender that sees this folder's `environment` or plugin."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        others = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join(filter(None, (str(self.folder), others)))}

    @property
    def settings(self) -> tuple[str, str]:
        """Options of `transphy3d render`: a plugin that hands the environment on."""
        return ("--set", f"plugins=[{self.folder / 'plugin.py'}]")

    def has_held(self, place: Path) -> bool:
        """Whether a Blender has come to wait with a picture below `place`."""
        waited = self.folder / "waited"
        return waited.exists() and f"{place}/" in waited.read_text()

    def let_go(self) -> None:
        """No Blender waits from now on."""
        (self.folder / "held").unlink()


def blender_faults(
    folder: Path, *, crash_if: str = "False", hold_if: str = "False"
) -> BlenderFaults:
    """Write the faults into a new folder.

    crash_if : Python over the words `argv` of Blender's worker and the Slurm node's name `node`:
        where it holds, Blender dies of SIGSEGV at its start
    hold_if : Python over the path `picture` that is about to be published and the number `made`
        of pictures that this Blender has published: where it holds, Blender waits with it until
        `let_go` or a stop signal
    """
    folder.mkdir()
    held, waited = folder / "held", folder / "waited"
    held.touch()
    text = SITECUSTOMIZE.format(
        crash_if=crash_if, hold_if=f"({hold_if})", held=str(held), waited=str(waited)
    )
    (folder / "sitecustomize.py").write_text(text)
    faults = BlenderFaults(folder)
    (folder / "plugin.py").write_text(f"import os\nos.environ.update({faults.environment!r})\n")
    return faults
