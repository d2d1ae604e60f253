"""`transphy3d assets`: commands on the asset bank."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import DEFAULT_BANK, AsJson, BankFolder, ProgressStyle
from transphy3d.errors import AssetError, Interrupted, ShardError, SourceClosed, SourceError
from transphy3d.progress import reporting

if TYPE_CHECKING:
    from transphy3d.assets.gather import Tally

assets_app = typer.Typer(
    name="assets", help="Find, judge and import meshes for a bank of assets.", no_args_is_help=True
)
app.add_typer(assets_app)

SourceName = Literal["blenderkit", "sweethome3d", "local"]
Source = Annotated[SourceName, typer.Option("--source", help="where to look")]
AnySource = Annotated[SourceName | None, typer.Option("--source", help="only of this source")]
Judged = Annotated[
    Literal["accepted", "rejected", "review", "unjudged"] | None,
    typer.Option("--judged", help="only those judged so"),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="at most so many assets")]
Again = Annotated[bool, typer.Option("--again", help="also what is done or was refused")]
ServerAddress = Annotated[
    str,
    typer.Option(
        "--server", envvar="TRANSPHY3D_BLENDERKIT_URL", help="address of the Blendkit server"
    ),
]
Mirror = Annotated[
    str, typer.Option("--mirror", help="Debian mirror [default: apt, or else the public mirror]")
]
DEFAULT_SERVER = "https://www.blendkit.com"


@assets_app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORDS]...")] = None,
    source: Source = "blenderkit",
    category: Annotated[
        list[str] | None, typer.Option("--category", help="the source's own name; repeatable")
    ] = None,
    licence: Annotated[
        Literal["cc_zero", "cc_by", "royalty_free"] | None, typer.Option("--licence")
    ] = None,
    free: Annotated[bool, typer.Option("--free", help="BlenderKit: only the free plan's")] = False,
    limit: Limit = None,
    again: Again = False,
    bank: BankFolder = DEFAULT_BANK,
    server: ServerAddress = DEFAULT_SERVER,
    mirror: Mirror = "",
    progress: ProgressStyle = "auto",
) -> None:
    """Write catalogue records of models that a source has; fetches no files yet."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.sources import dispatch

    wish = dispatch.Wish(" ".join(words or ()), tuple(category or ()), licence, free, limit)
    places = dispatch.Places(server, mirror)
    with reporting(progress, "asset") as reporter:
        tally = dispatch.search(Bank(bank), source, wish, places, again, reporter)
    print(tally.table() or "nothing found")


@assets_app.command()
def fetch(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="assets, or with --source local files and folders"),
    ] = None,
    source: AnySource = None,
    resolution: Annotated[
        Literal["0_5K", "1K", "2K", "4K", "8K", "original"],
        typer.Option("--resolution", help="BlenderKit: of textures; the closest there is"),
    ] = "2K",
    licence: Annotated[
        Literal["own", "cc_zero", "cc_by"] | None,
        typer.Option("--licence", help="of local files [default: own]"),
    ] = None,
    author: Annotated[str, typer.Option("--author", help="of local files")] = "",
    judged: Judged = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="BlenderKit: only pictures, to judge by")
    ] = False,
    limit: Limit = None,
    max_mib: Annotated[int, typer.Option("--max-mib", min=1, help="of one file")] = 1024,
    max_seconds: Annotated[int, typer.Option("--max-seconds", min=1, help="for one file")] = 3600,
    again: Again = False,
    bank: BankFolder = DEFAULT_BANK,
    server: ServerAddress = DEFAULT_SERVER,
    mirror: Mirror = "",
    progress: ProgressStyle = "auto",
) -> None:
    """Get the files of found assets; goes on where it stopped."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.download import Bounds
    from transphy3d.assets.listing import Filter
    from transphy3d.assets.sources import dispatch

    chosen, places = Bank(bank), dispatch.Places(server, mirror)
    with reporting(progress, "asset") as reporter:
        if source == "local" and what:
            paths = [Path(path) for path in what]
            tallies = [dispatch.add_local(chosen, paths, licence, author, reporter)]
        else:
            if source == "sweethome3d" and not what:
                dispatch.search(chosen, source, dispatch.Wish(), places, False, reporter)
            wanted = Filter(source=source or "", judged=judged or "")
            assets = dispatch.pending(chosen, what or (), wanted, again)
            how = dispatch.Fetching(resolution, Bounds(max_mib << 20, max_seconds), limit)
            tallies = (
                dispatch.fetch_thumbnails(chosen, assets, limit, places, reporter)
                if thumbnails
                else dispatch.fetch(chosen, assets, how, places, reporter)
            )
    _report(tallies)


@assets_app.command(name="list")
def list_assets(
    source: AnySource = None,
    category: Annotated[str, typer.Option("--category")] = "",
    licence: Annotated[str, typer.Option("--licence")] = "",
    state: Annotated[
        Literal["found", "fetched", "refused", "imported"] | None, typer.Option("--state")
    ] = None,
    judged: Judged = None,
    optical: Annotated[
        Literal["transparent", "reflective", "opaque"] | None, typer.Option("--optical")
    ] = None,
    bank: BankFolder = DEFAULT_BANK,
    as_json: AsJson = False,
) -> None:
    """Assets of the bank, those that match every option."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.listing import Filter, table
    from transphy3d.jsonio import to_data

    wanted = Filter(source or "", category, licence, state or "", judged or "", optical or "")
    found = [asset for asset in Bank(bank).records() if wanted.matches(asset)]
    print(json.dumps([to_data(asset) for asset in found]) if as_json else table(found))


@assets_app.command()
def show(
    asset: Annotated[str, typer.Argument(metavar="ID")],
    bank: BankFolder = DEFAULT_BANK,
    as_json: AsJson = False,
) -> None:
    """Everything that is known of one asset, and where its files lie."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.listing import describe
    from transphy3d.jsonio import to_json

    found = Bank(bank).read(asset)
    print(to_json(found) if as_json else describe(Bank(bank), found))


@assets_app.command()
def check(
    hashes: Annotated[
        bool, typer.Option("--hashes/--no-hashes", help="read every file and compare its SHA-256")
    ] = True,
    bank: BankFolder = DEFAULT_BANK,
    as_json: AsJson = False,
) -> None:
    """Check the bank: records, files, hashes, licences, and files that belong to no asset."""
    from dataclasses import asdict

    from transphy3d.assets.bank import Bank
    from transphy3d.assets.check import check_bank

    if not bank.is_dir():
        raise AssetError(f"bank {bank}: no such folder; set --bank, or fetch something first")
    faults = check_bank(Bank(bank), hashes)
    for fault in faults:
        print(json.dumps(asdict(fault)) if as_json else fault)
    if faults:
        raise ShardError(f"bank {bank}: {len(faults)} faults found")
    print(json.dumps({"faults": 0}) if as_json else f"bank {bank}: no faults")


Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="assets [default: all]")]


@assets_app.command()
def inspect(
    what: Ids = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="files at a time")] = 1,
    again: Again = False,
    bank: BankFolder = DEFAULT_BANK,
    progress: ProgressStyle = "auto",
) -> None:
    """Read what the materials and names of fetched assets say; goes on where it stopped."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.inspecting import inspect_bank, pending

    chosen = Bank(bank)
    assets = pending(chosen, what or (), again)
    with reporting(progress, "asset") as reporter:
        tally = inspect_bank(chosen, assets, workers, again, reporter)
    print(tally.table() or "nothing to inspect; fetch assets first, or use --again")


@assets_app.command()
def judge(
    what: Ids = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", help="also ask Qwen2.5-VL: 7b, 3b, 7b-awq, 3b-awq, a hub id, folder"
        ),
    ] = "",
    revision: Annotated[str, typer.Option("--revision", help="commit of the model")] = "",
    precision: Annotated[
        Literal["full", "8bit", "4bit"], typer.Option("--precision", help="of the model's weights")
    ] = "full",
    device: Annotated[
        Literal["auto", "cuda", "cpu"], typer.Option("--device", help="that the model runs on")
    ] = "auto",
    batch: Annotated[int, typer.Option("--batch", min=1, help="questions at a time")] = 8,
    views: Annotated[
        Literal["auto", "always", "never"],
        typer.Option("--views", help="render pictures; auto: where the source has none"),
    ] = "auto",
    again: Annotated[bool, typer.Option("--again", help="ask also what was answered")] = False,
    job: Annotated[
        Path | None, typer.Option("--job", help="take the thresholds of this job's bank.accept")
    ] = None,
    bank: BankFolder = DEFAULT_BANK,
    progress: ProgressStyle = "auto",
) -> None:
    """Decide from all signals which assets are transparent or reflective, and write verdicts."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.inspecting import judge_bank
    from transphy3d.config import AcceptConfig
    from transphy3d.job import load_job

    accept = load_job(job).objects.bank.accept if job else None
    if model:
        from transphy3d.assets.asking import Asking, ask_bank, askable
        from transphy3d.assets.weights import locate

        how = Asking(locate(model, revision, precision), device, batch, views, again)
        with reporting(progress, "asset") as reporter:
            asked = ask_bank(Bank(bank), askable(Bank(bank), what or ()), how, reporter)
        print(asked.table())
    tally = judge_bank(Bank(bank), what or (), accept or AcceptConfig())
    print(tally.table() or "nothing to judge; fetch and inspect assets first")


@assets_app.command(name="import")
def import_assets(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="assets [default: accepted ones]")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="every fetched asset, not only accepted ones")
    ] = False,
    sheets: Annotated[
        Path | None, typer.Option("--sheets", help="render contact sheets into this folder")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="assets at a time")] = 1,
    max_seconds: Annotated[int, typer.Option("--max-seconds", min=1, help="for one asset")] = 900,
    again: Again = False,
    bank: BankFolder = DEFAULT_BANK,
    progress: ProgressStyle = "auto",
) -> None:
    """Clean, scale and close fetched assets, and give them collision shapes."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.import_run import import_bank, pending

    chosen = Bank(bank)
    assets = pending(chosen, what or (), everything, again)
    with reporting(progress, "asset") as reporter:
        tally = import_bank(chosen, assets, workers, reporter, max_seconds)
    print(tally.table() or "nothing to import; fetch and judge assets first, or use --again")
    if sheets:
        from transphy3d.preview.imports import write_sheets

        named = [chosen.read(asset) for asset in what or chosen.ids()]
        for path in write_sheets(chosen, [asset for asset in named if asset.imported], sheets):
            print(path)


@assets_app.command()
def review(
    static: Annotated[
        Path | None,
        typer.Option("--static", metavar="FILE", help="write a page for looking only, and end"),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one")] = 0,
    bank: BankFolder = DEFAULT_BANK,
) -> None:
    """Look at assets and what was judged of them, and decide; until Ctrl-C."""
    from transphy3d.assets.bank import Bank
    from transphy3d.assets.review import write_static
    from transphy3d.assets.review_server import ReviewServer

    if not bank.is_dir():
        raise AssetError(f"bank {bank}: no such folder; set --bank, or fetch something first")
    if static and static.is_dir():
        raise AssetError(f"--static {static}: is a folder; name a file in it")
    if static:
        write_static(Bank(bank), static)
        print(static)
        return
    with ReviewServer(Bank(bank), port) as server, contextlib.suppress(Interrupted):
        print(f"review page: {server.url}", flush=True)
        server.serve_forever()
    print("stopped; every decision is in the catalogue")


def _report(tallies: list[Tally]) -> None:
    """Print what came of the work; what can still be had later is an error of its own."""
    for tally in tallies:
        print(tally.table())
    if not tallies:
        print("nothing to fetch; `transphy3d assets list` shows what is there")
    for tally in tallies:
        if tally.stopped:
            raise SourceClosed(tally.stopped)
    if failed := sum(tally.outcomes["failed"] for tally in tallies):
        raise SourceError(
            f"{failed} assets could not be fetched now; do what the reasons say, if anything, and "
            "run the command again"
        )
