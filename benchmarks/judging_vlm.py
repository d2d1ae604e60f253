"""Assets a minute through the vision-language judge, with a tiny model on the CPU.

    python benchmarks/judging_vlm.py [--assets 24] [--threads 1]

The model is the tests' own: 0.2 million parameters with the architecture of Qwen2.5-VL, four
views of 280 pixels an asset, five questions and one description. So the figures tell what the
path around a model costs: opening pictures, the processor, batches, records. A model of seven
billion parameters takes longer by far and was not measured. One question at a time is the
baseline of the batches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "filter"))
VIEWS = 4


def fill(root: Path, assets: int):
    """A bank of assets with views of one colour each, painted at their real size."""
    import numpy as np
    from bank_of_colours import store
    from tiny_vlm import HUES, paint

    from transphy3d.assets.bank import AssetRecord, Bank, Licence
    from transphy3d.assets.view_spec import EDGE

    bank, rng = Bank(root), np.random.default_rng(0)
    for number in range(assets):
        name = f"own-{number:04d}"
        bank.views(name).mkdir(parents=True)
        for view in range(VIEWS):
            picture = paint(number % 2 == 0, HUES[number % 3], rng, EDGE)
            picture.save(bank.views(name) / f"{view}.png")
        paths = [bank.views(name) / f"{view}.png" for view in range(VIEWS)]
        views = tuple(store(bank, path) for path in paths)
        licence = Licence(name="own")
        bank.write(
            AssetRecord(
                id=name, source="own", source_id=name, name=name, licence=licence, views=views
            )
        )
    return bank


def measure(bank, weights, batch: int) -> tuple[float, float]:
    """Assets a minute with the model loaded, and seconds that a second run with answers takes."""
    from transphy3d.assets.asking import Asking, ask_bank, askable
    from transphy3d.progress import make_progress

    quiet = make_progress("plain", Path("/dev/null").open("w"), unit="asset")  # noqa: SIM115
    how = Asking(weights, "cpu", batch, "never", again=True)
    assert how.judge
    asked = ask_bank(bank, askable(bank, ()), how, quiet)
    since = time.perf_counter()
    ask_bank(bank, askable(bank, ()), Asking(weights, "cpu", batch, "never", False), quiet)
    return 60 * asked.looked_at / asked.seconds, time.perf_counter() - since


def main() -> None:
    """Print one line a batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    try:
        import torch
        from tiny_vlm import kept_build
    except ModuleNotFoundError as error:
        print(f"left out: {error}; it needs the extra `filter`")
        return
    from transphy3d.assets.weights import locate

    weights = locate(str(kept_build(ROOT / ".cache")))
    torch.set_num_threads(options.threads)
    print(f"{options.assets} assets, {options.threads} threads, {weights.identity}")
    for batch in (1, 8):
        with tempfile.TemporaryDirectory() as folder:
            pace, again = measure(fill(Path(folder), options.assets), weights, batch)
        kept = 60 * options.assets / again
        print(f"batch {batch}: {pace:.0f} assets a minute; from kept answers {kept:.0f}")


if __name__ == "__main__":
    main()
