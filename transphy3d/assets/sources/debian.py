"""Debian packages as sources of data: fetched, checked against a pinned hash, read without root."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from transphy3d.errors import AssetError
from transphy3d.files import sha256_file

APT_TIMEOUT = 1800.0  # seconds
AR_MAGIC = b"!<arch>\n"
AR_HEADER_BYTES = 60
LICENCE_STANZA = ("files", "license", "copyright")


@dataclass(frozen=True)
class Package:
    """One version of a package, and where mirrors keep it.

    pool : its path below a mirror's root; sha256 : of the .deb file
    """

    name: str
    version: str
    pool: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CopyrightStanza:
    """Who made the files of one pattern, and the licence's short name."""

    files: str
    licence: str
    copyright: str


def apt_download(package: Package, folder: Path) -> Path | None:
    """The .deb through the machine's own apt configuration, put into `folder`; no root needed.

    None where there is no apt-get, or it does not offer this version.
    """
    if not shutil.which("apt-get"):
        return None
    wanted = f"{package.name}={package.version}"
    try:
        subprocess.run(
            ["apt-get", "download", wanted],
            cwd=folder,
            capture_output=True,
            timeout=APT_TIMEOUT,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return next(folder.glob(f"{package.name}_*.deb"), None)


def check_package(package: Package, path: Path) -> None:
    """Remove the file and raise AssetError unless it is the very package that is meant."""
    found = sha256_file(path)
    if found != package.sha256:
        path.unlink()
        raise AssetError(
            f"{path.name}: SHA-256 is {found}, not {package.sha256} of {package.name} "
            f"{package.version}; fetch again, or name another --mirror"
        )


@contextmanager
def data_of(path: Path) -> Iterator[tarfile.TarFile]:
    """The files that a .deb would install. Raises AssetError if it is no Debian package.

    A .deb is an ar archive (man 5 deb) whose member data.tar.* holds the files.
    """
    with path.open("rb") as stream:
        start, size = _find_data(path, stream)
        stream.seek(start)
        try:
            with tarfile.open(fileobj=_Window(stream, size), mode="r|*") as opened:
                yield opened
        except (tarfile.TarError, EOFError) as error:
            raise AssetError(f"{path}: is damaged ({error}); remove it and fetch again") from error


def copyright_stanzas(text: str) -> list[CopyrightStanza]:
    """The `Files:` stanzas of debian/copyright, machine-readable format 1.0."""
    stanzas = (_fields(block) for block in text.split("\n\n"))
    return [
        CopyrightStanza(*(fields.get(name, "") for name in LICENCE_STANZA))
        for fields in stanzas
        if "files" in fields
    ]


def _fields(block: str) -> dict[str, str]:
    """Fields of one stanza; lines that begin with a blank continue the one above."""
    found: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if line[:1].isspace():
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            name = name.lower()
            found[name] = value.strip()
    return found


def _find_data(path: Path, stream: BinaryIO) -> tuple[int, int]:
    """Offset and size of data.tar.*, by the headers of the ar archive (man 5 ar)."""
    if stream.read(len(AR_MAGIC)) != AR_MAGIC:
        raise AssetError(f"{path}: is no Debian package; remove it and fetch again")
    while len(header := stream.read(AR_HEADER_BYTES)) == AR_HEADER_BYTES:
        name, size = header[:16].decode("latin-1").strip(), int(header[48:58])
        if name.startswith("data.tar"):
            return stream.tell(), size
        stream.seek(size + size % 2, io.SEEK_CUR)
    raise AssetError(f"{path}: holds no data.tar; remove it and fetch again")


class _Window(io.RawIOBase):
    """The next `size` bytes of a stream, as a file of their own."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted)
        self._left -= len(data)
        return data
