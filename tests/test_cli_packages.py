"""A package that is missing is named with the extra that brings it."""

import pytest

from transphy3d.cli.app import main


@pytest.mark.parametrize(("package", "extra"), [("diffusers", "dkt"), ("bpy", "render")])
def test_the_extra_of_a_missing_package_is_named(package, extra, monkeypatch, capsys):
    def command():
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr("transphy3d.cli.app.app", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert (
        f"No module named {package!r}; pip install 'transphy3d[{extra}]'" in capsys.readouterr().err
    )
