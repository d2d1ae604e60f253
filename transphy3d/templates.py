"""Pages and scripts from jinja2 templates."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def open_templates(*packages: str, html: bool = True) -> Environment:
    """Templates in the folders `templates` of packages, of the first one that has the name.

    html : escape what is filled in; False for scripts and Markdown, which end in a line end
    A name that a template asks for and is not given is an error.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not html,
    )
