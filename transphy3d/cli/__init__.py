"""The command line: one command a stage; parse, call, print.

Exit codes: 0 well; 1 a package lacks, or see `status` and `doctor`; 2 wrong job or arguments;
3 unusable asset; 4 impossible scene; 5 a try failed; 6 no such device; 7 damaged data; 8 run
directory or sequences set aside; 9 disk full; 10 the unit is held by another process; 75
interrupted, run again to go on.

A module here holds the commands of one subject; importing it adds them to `app`.
"""

# isort: off
# In the order in which `transphy3d --help` lists their commands.
from transphy3d.cli import making, farm, data, assets, dkt, machine
from transphy3d.cli.app import app, main
# isort: on

__all__ = ["app", "assets", "data", "dkt", "farm", "machine", "main", "making"]
