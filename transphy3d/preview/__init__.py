"""What people look at first: contact sheets, videos and a report of a data set."""

from transphy3d.preview.make import PreviewPaths, make_previews
from transphy3d.preview.report import SetAside

__all__ = ["PreviewPaths", "SetAside", "make_previews"]
