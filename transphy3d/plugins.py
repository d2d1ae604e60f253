"""A user's own Python files: each is run once and registers what it adds.

They are the user's code and run with the user's rights; nothing that is downloaded may be one.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from transphy3d.errors import JobError, TransPhy3DError
from transphy3d.files import sha256_text


def load_plugins(paths: Iterable[str]) -> None:
    """Run each plugin file that has not run in this process yet.

    Raises JobError naming the file when it is missing or fails.
    """
    for path in paths:
        name = f"transphy3d_plugin_{sha256_text(path)[:16]}"
        if name not in sys.modules:
            _run(name, Path(path))


def _run(name: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise JobError(f"plugins: {path}: there is no such file; mend the path in the job")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise JobError(f"plugins: {path}: is not a Python file; name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except TransPhy3DError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise JobError(f"plugins: {path}: {type(error).__name__}: {error}; mend it") from error
    return module
