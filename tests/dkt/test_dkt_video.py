"""Videos as people have them: phones, cut files, cameras."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from transphy3d.dkt.inference.capture import device, filmed
from transphy3d.dkt.inference.hdr import _light, hlg_light, standard_range
from transphy3d.dkt.inference.lens import find_lens
from transphy3d.dkt.inference.video import open_video
from transphy3d.errors import DeviceError, ShardError

MOVING = "use_metadata_tags+faststart"  # the index in front, as files for the web have it
LOSSLESS = {"crf": "0", "preset": "ultrafast"}


def write(path, frames, times=None, turn=0, metadata=None):
    """An H.264 file without loss; times : seconds of each frame."""
    with av.open(str(path), "w", options={"movflags": MOVING}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream("libx264", rate=10, options=LOSSLESS)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        if turn:
            stream.set_display_rotation(turn)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv444p")
            if times:
                stream.codec_context.time_base = frame.time_base = Fraction(1, 1000)
                frame.pts = round(1000 * times[number])
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def clip(frames=12, size=(48, 64)):
    """Frames that a lossy decoder tells apart: a bright column wanders."""
    pictures = np.full((frames, *size, 3), 40, np.uint8)
    for number, picture in enumerate(pictures):
        picture[:, 4 * number : 4 * number + 4] = 200
    return pictures


def test_frames_that_are_not_evenly_spaced_keep_their_times(tmp_path):
    times = [0.0, 0.1, 0.15, 0.4]
    path = write(tmp_path / "phone.mp4", clip(4), times)
    assert [seconds for seconds, _ in open_video(path).timed()] == pytest.approx(times)


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_phones_videos_stand_upright(tmp_path, turn):
    frames = clip(2)
    video = open_video(write(tmp_path / "phone.mp4", frames, turn=turn))
    expected = np.rot90(frames, turn // 90, (1, 2))
    assert video.size == expected.shape[1:3]
    for found, true in zip(video, expected, strict=True):
        assert np.abs(found.astype(int) - true).max() <= 3


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.5807), (18, 0.75)])
def test_high_dynamic_range_is_shown_as_standard_range(tmp_path, transfer, white):
    """Diffuse white is 203 cd/m2 in PQ, which is code 0.5807, and 75 % in HLG (ITU-R BT.2408)."""
    picture = np.zeros((64, 64, 3), np.uint16)
    picture[:, 32:] = round(white * 65535)
    with av.open(str(tmp_path / "hdr.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options=LOSSLESS)
        stream.height = stream.width = 64
        stream.pix_fmt = "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9
        stream.codec_context.colorspace = 9
        frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
        container.mux(stream.encode(frame.reformat(format="yuv420p10le", dst_colorspace=9)))
        container.mux(stream.encode())
    (found,) = open_video(tmp_path / "hdr.mkv")
    assert found[:, :28].max() <= 2 and found[:, 36:].min() >= 250


def test_light_of_pq_is_what_the_standard_says():
    codes = [round(65535 * code) for code in (0, 0.5081, 0.5807, 0.7518)]  # 0, 100, 203, 1000
    np.testing.assert_allclose(_light("PQ")[codes] * 203, [0, 100, 203, 1000], rtol=2e-3)


def test_light_of_hlg_is_what_the_standard_says():
    """Scene light 1/12 at half the signal; the peak is 1000 cd/m2, white at 75 % is 203."""
    assert hlg_light(np.array([0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    codes = [round(65535 * code) for code in (0.75, 1.0)]
    np.testing.assert_allclose(_light("HLG")[codes], [1, 1000 / 203], rtol=2e-3)


def test_saturated_red_of_wide_primaries_stays_red():
    red = np.array([[[round(0.58 * 65535), 0, 0]]], np.uint16)
    assert standard_range(red, 16).tolist() == [[[255, 0, 0]]]


def test_a_video_that_an_edit_list_trims_is_whole(tmp_path):
    path = write(tmp_path / "trimmed.mp4", clip())
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 12  # after version, flags and count: the first edit's duration
    whole = int.from_bytes(data[place : place + 4], "big")
    data[place : place + 4] = (whole // 2).to_bytes(4, "big")
    path.write_bytes(data)
    seen = list(open_video(path))
    assert 6 <= len(seen) < 12
    assert np.abs(seen[5].astype(int) - clip()[5]).max() <= 3


@pytest.mark.parametrize("missing", [0, 100])
def test_a_video_that_is_cut_short_says_after_which_frame(tmp_path, missing):
    """Between two frames, or `missing` bytes before the end of one."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), np.uint8)
    path = write(tmp_path / "cut.mp4", noise)
    with av.open(str(path)) as container:
        ends = sorted(each.pos + each.size for each in container.demux(video=0) if each.size)
    path.write_bytes(path.read_bytes()[: ends[5] - missing])
    with pytest.raises(ShardError, match=r"damaged after frame [1-9].*--frames [1-9]") as told:
        list(open_video(path))
    count = int(str(told.value).split("--frames ")[1])
    assert len(list(open_video(path, frames=count))) == count < 12


def test_pictures_come_in_natural_order_upright_and_in_8_bits(tmp_path):
    for number in (10, 9, 1):
        Image.new("RGBA", (6, 4), (number, 0, 0, 0)).save(tmp_path / f"{number}.png")
    assert [frame[0, 0, 0] for frame in open_video(tmp_path)] == [1, 9, 10]
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (6, 4)).save(tmp_path / "phone.jpg", exif=exif)
    assert open_video(tmp_path / "phone.jpg").size == (6, 4)
    Image.fromarray(np.full((4, 6), 40000, np.uint16)).save(tmp_path / "grey.png")
    assert next(iter(open_video(tmp_path / "grey.png"))).tolist() == [[[155] * 3] * 6] * 4


def test_pictures_of_two_sizes_are_an_error(tmp_path):
    for number, width in enumerate((6, 6, 8)):
        Image.new("RGB", (width, 4)).save(tmp_path / f"{number}.png")
    with pytest.raises(ShardError, match="frame 3 is 8x4, the first 6x4"):
        list(open_video(tmp_path))


def test_a_focal_length_in_a_videos_metadata_is_found(tmp_path):
    key = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
    video = open_video(write(tmp_path / "phone.mp4", clip(1), metadata={key: "24"}))
    lens = find_lens(video)
    assert lens.matrix[0, 0] == pytest.approx(24 / np.hypot(36, 24) * np.hypot(48, 64))
    assert not lens.assumed


def test_a_camera_is_recorded_before_it_is_looked_at(tmp_path):
    path = filmed("camera:lavfi:testsrc=size=64x48:rate=10", tmp_path / "out", 1.0)
    assert path == tmp_path / "out/camera.mp4"
    times = [seconds for seconds, _ in open_video(path).timed()]
    assert times == pytest.approx(np.arange(10) / 10)


def test_a_missing_camera_is_named(tmp_path):
    with pytest.raises(DeviceError, match="/dev/video77: v4l2 gives no picture"):
        filmed("camera:v4l2:/dev/video77", tmp_path, 1.0)
    assert not list(tmp_path.iterdir())


def test_cameras_are_numbered_as_the_system_names_them():
    assert device("2", "linux") == ("v4l2", "/dev/video2")
    assert device("/dev/video2", "linux") == ("v4l2", "/dev/video2")
    assert device("1", "darwin") == ("avfoundation", "1")
    assert device("lavfi:testsrc=rate=10", "linux") == ("lavfi", "testsrc=rate=10")
    with pytest.raises(DeviceError, match="record a file"):
        device("0", "plan9")


def test_the_number_of_frames_is_known_without_decoding(tmp_path):
    path = write(tmp_path / "phone.mp4", clip(7))
    assert open_video(path).announced == 7
    assert open_video(path, frames=3).announced == 3
    assert open_video(clip(4)).announced == 4
