"""The page, driven as a browser drives it."""

import json
import zipfile
from pathlib import Path

import av
import gradio_client
import numpy as np
import pytest
import tiny_dkt

from transphy3d.dkt.inference.demo import serving

SIZE = "32x48"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "kitchen.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for level in (50, 100, 150):
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with serving(tiny_dkt.model(), "depth", {"network": "tiny"}, SIZE) as (_, url):
        downloads = tmp_path_factory.mktemp("downloads")
        yield gradio_client.Client(url, verbose=False, download_files=str(downloads))


def see(page, video, size=SIZE, fov=50, sensor=None, seed=0):
    sent = sensor and gradio_client.handle_file(sensor)
    upload = video and gradio_client.handle_file(video)
    return page.predict(upload, size, 1, seed, fov, sent, api_name="/see")


def test_an_uploaded_video_comes_back_beside_what_is_seen(page, video):
    film, files = see(page, video)
    with av.open(film) as container:
        assert len(list(container.decode(video=0))) == 3
    archive, info = files
    assert np.load(archive)["disparity"].shape == (3, 48, 64)
    assert json.loads(Path(info).read_text())["model"] == {"network": "tiny"}


def test_a_depth_map_brings_point_clouds_in_metres(page, video, tmp_path):
    near = np.load(see(page, video)[1][0])["disparity"]
    np.save(tmp_path / "depth.npy", 1 / (2 * near[0] + 0.5))
    _, (archive, _, clouds) = see(page, video, sensor=tmp_path / "depth.npy")
    np.testing.assert_allclose(np.load(archive)["depth"], 1 / (2 * near + 0.5), rtol=1e-3)
    assert sorted(zipfile.ZipFile(clouds).namelist()) == [f"00000{n}.ply" for n in range(3)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"video": None}, "no video yet"),
        ({"size": "33x48"}, "steps of 16"),
        ({"fov": 200}, "is not from 1 to 179 degrees"),
        ({"seed": -1}, "negative|less than minimum"),
    ],
)
def test_mistakes_are_told_in_words(page, video, change, words):
    with pytest.raises(gradio_client.exceptions.AppError, match=words):
        see(page, **({"video": video} | change))


def test_the_page_is_for_this_machine_alone_and_tells_nobody(page):
    assert page.src.startswith("http://127.0.0.1:")
    assert page.config["analytics_enabled"] is False
