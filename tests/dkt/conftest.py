"""Before the tests import diffusers themselves."""

import transphy3d.dkt  # noqa: F401
