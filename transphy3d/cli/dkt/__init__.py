"""`transphy3d dkt`: train on shards, look at videos, score what was seen."""

# isort: off
# In the order in which `transphy3d dkt --help` lists their commands.
from transphy3d.cli.dkt import training, distilling, looking, scoring
# isort: on

__all__ = ["distilling", "looking", "scoring", "training"]
