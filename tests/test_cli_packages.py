"""A package that is missing is named with the extra that brings it."""

import importlib

import pytest

# By name, for the package gives the command line's root the name of this module.
root = importlib.import_module("transphy3d.cli.app")


@pytest.mark.parametrize(
    ("package", "extra"),
    [("diffusers", "dkt"), ("transformers", "dkt"), ("gradio", "demo"), ("bpy", "render")],
)
def test_the_extra_of_a_missing_package_is_named(package, extra, monkeypatch, capsys):
    def command():
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(root, "app", command)
    with pytest.raises(SystemExit) as end:
        root.main()
    assert end.value.code == 1
    assert (
        f"No module named {package!r}; pip install 'transphy3d[{extra}]'" in capsys.readouterr().err
    )
