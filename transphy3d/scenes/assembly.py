"""From a reference in a scene to the asset itself, whatever its source."""

from __future__ import annotations

from pathlib import Path

from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.assets.geometry import Asset
from transphy3d.assets.imported import load_imported
from transphy3d.assets.liquid import fill
from transphy3d.assets.load import load_mesh
from transphy3d.assets.procedural.family import build
from transphy3d.config import MeshSource
from transphy3d.errors import AssetError, SceneRejected
from transphy3d.files import sha256_file
from transphy3d.scenes.spec import AssetRef, ObjectSpec


def mesh_ref(source: MeshSource) -> AssetRef:
    """A reference to a mesh file by path and content.

    Raises AssetError if there is no such file.
    """
    path = Path(source.path)
    if not path.is_file():
        raise AssetError(f"objects.meshes: {path}: there is no such file; mend the path")
    params = {"up": source.up, "kinds": ",".join(source.kinds), "category": source.category}
    sized = {} if source.size is None else {"size": source.size}
    return AssetRef(
        source="mesh",
        name=path.stem,
        params={**params, **sized},
        path=str(path),
        sha256=sha256_file(path),
    )


def bank_ref(asset: AssetRecord, bank: Bank) -> AssetRef:
    """A reference to an imported asset of a bank by path and content."""
    if asset.imported is None:
        raise AssetError(f"asset {asset.id!r}: is not imported; run `transphy3d assets import`")
    return AssetRef(
        source="bank",
        name=asset.id,
        params={},
        path=str(bank.file(asset.imported.file)),
        sha256=asset.imported.file.sha256,
    )


def build_asset(ref: AssetRef, segments: int, cache: Path) -> Asset:
    """The asset, unscaled and dry.

    segments : divisions of a full turn of procedural assets
    cache : folder for what is derived from mesh files
    Raises SceneRejected "shape" for parameters that a family cannot be built with, AssetError
    for a file that is gone or has changed.
    """
    if ref.source == "procedural":
        return _build_family(ref, segments)
    path = _unchanged(ref)
    return load_imported(path) if ref.source == "bank" else load_mesh(_mesh_source(ref), cache)


def _build_family(ref: AssetRef, segments: int) -> Asset:
    try:
        return build(ref.name, ref.params, segments)
    except AssetError as error:
        raise SceneRejected("shape", f"{ref.name} with {ref.params}: {error}") from error


def _unchanged(ref: AssetRef) -> Path:
    """The file that a reference names. Raises AssetError if it is gone or has changed."""
    if ref.path is None or not Path(ref.path).is_file():
        raise AssetError(f"{ref.source} {ref.path}: the scene names it, but there is no such file")
    if ref.sha256 != sha256_file(Path(ref.path)):
        raise AssetError(
            f"{ref.source} {ref.path}: changed since the scene was sampled (SHA-256); bring the "
            "file back, or make the data set anew"
        )
    return Path(ref.path)


def _mesh_source(ref: AssetRef) -> MeshSource:
    """The entry of the job that a mesh reference was made from."""
    data = {"path": ref.path, **ref.params, "kinds": str(ref.params["kinds"]).split(",")}
    return MeshSource.model_validate(data)


def with_liquid(asset: Asset, spec: ObjectSpec) -> Asset:
    """The asset with its spec's liquid poured in; without one, the asset as it is."""
    if spec.liquid is None:
        return asset
    body = spec.materials[asset.parts[0].name]
    return fill(asset, spec.liquid.fraction, spec.liquid.material.ior, body.ior)
