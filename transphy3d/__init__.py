"""TransPhy3D: synthetic videos of transparent and reflective objects with exact ground truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transphy3d.shards.reader import Dataset, open_dataset

__version__ = "0.1.0"
__all__ = ["Dataset", "__version__", "open_dataset"]


def __getattr__(name: str) -> Any:
    """Load the reader on first use, so that importing the package stays instant."""
    if name in ("Dataset", "open_dataset"):
        from transphy3d.shards import reader

        return getattr(reader, name)
    raise AttributeError(f"module 'transphy3d' has no attribute {name!r}")
