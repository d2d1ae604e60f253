"""Sequences in HDF5: schema, writer, pack, reader and verification."""

from transphy3d.shards.reader import Dataset, Sequence, open_dataset

__all__ = ["Dataset", "Sequence", "open_dataset"]
