"""Tiny folders in the layouts of the public data sets, with scenes whose truth is known.

Every writer returns what it wrote: the frames as `synthetic.frame` makes them, in order.
"""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import OpenEXR
from PIL import Image
from scipy.io import savemat
from synthetic import frame, intrinsics, orbit

FOV = 71.28
CLEARGRASP_FOV = float(np.degrees(1.2112585306167603))
OPENGL = np.array([1, -1, -1])
CLEARPOSE = np.array([[60.133, 0, 33.467], [0, 60.133, 24.8], [0, 0, 1]])


def scene(count, size=(36, 64), fov=FOV, k=None):
    """Frames of balls on a floor, each with its pose and what a sensor that glass fools sees."""
    k = intrinsics(size[1], size[0], fov) if k is None else k
    made = []
    for pose in orbit(count):
        shown = frame(pose, k, size)
        sensor = np.where(shown["instance"] == 1, 0, shown["depth_behind"])
        made.append(shown | {"pose": pose, "k": k, "sensor": sensor.astype("f4")})
    return made


def write_exr(path, planes):
    """An OpenEXR file of (H, W) planes by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {n: np.ascontiguousarray(p) for n, p in planes.items()}).write(str(path))


def three(plane, kind="f4"):
    """A plane as R, G and B."""
    return dict.fromkeys("RGB", plane.astype(kind))


def xyz(normal, kind="f4"):
    """Normals as R, G and B."""
    return {name: normal[..., n].astype(kind) for n, name in enumerate("RGB")}


def write_picture(path, array):
    """A PNG or JPEG; 16 bits where the array has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def millimetres(depth):
    return np.round(depth * 1000).astype(np.uint16)


def clearpose(root, scene_name="set1/scene5", count=3):
    """One scene; its metadata lists camera to world, its normals point into the surface."""
    folder, made, table = root / scene_name, scene(count, (48, 64), k=CLEARPOSE), {}
    for number, shown in enumerate(made):
        stem = f"{number:06d}"
        write_picture(folder / f"{stem}-color.png", shown["rgb"])
        write_picture(folder / f"{stem}-depth.png", millimetres(shown["sensor"]))
        write_picture(folder / f"{stem}-depth_true.png", millimetres(shown["depth"]))
        write_picture(folder / f"{stem}-label.png", shown["instance"].astype("u1"))
        inward = ((-shown["normal"] + 1) * 255 / 2).astype("u1")
        write_picture(folder / f"{stem}-normal_true.png", inward)
        table[stem] = {
            "cls_indexes": np.array([[1], [2]], "u1"),
            "factor_depth": np.array([[1000]], "u2"),
            "intrinsic_matrix": shown["k"],
            "rotation_translation_matrix": np.linalg.inv(shown["pose"])[:3],
        }
    savemat(folder / "metadata.mat", table)
    return made


def dreds(root, split="train", folder="part0/3", count=3):
    """Pictures of twice the truth's size; masks of object - 1, 255 without."""
    place, made = root / "DREDS-CatKnown" / split / folder, scene(count)
    for number, shown in enumerate(made):
        stem = f"{number:04d}"
        write_picture(place / f"{stem}_color.png", shown["rgb"].repeat(2, 0).repeat(2, 1))
        for side in "lr":
            write_picture(place / f"{stem}_ir_{side}.png", shown["rgb"][..., 0])
        write_exr(place / f"{stem}_depth_120.exr", three(shown["depth"]))
        write_exr(place / f"{stem}_simDepthImage.exr", three(shown["sensor"]))
        mask = (shown["instance"].astype("i4") - 1) % 256
        write_exr(place / f"{stem}_mask.exr", three(mask / 255))
        write_exr(place / f"{stem}_normal.exr", xyz(shown["normal"] * OPENGL))
        (place / f"{stem}_meta.txt").write_text("0 1 0001 ball 0.1 2 1 0 0 0 0 0 0.6\n")
    return made


def std(root, name="STD-CatKnown/test_0", truth="gt_depth", count=3):
    """A real video."""
    place, made = root / name, scene(count)
    for number, shown in enumerate(made):
        stem = f"{number:04d}"
        write_picture(place / f"{stem}_color.png", shown["rgb"])
        write_exr(place / f"{stem}_{truth}.exr", three(shown["depth"]))
        write_exr(place / f"{stem}_depth_415.exr", three(shown["sensor"]))
        mask = ((shown["instance"].astype("i4") - 1) % 256).astype("u1")
        write_picture(place / f"{stem}_mask.png", mask)
    return made


def hiss(root, split="train", folder="102344049/table", count=4):
    """Depth in a single channel Y; masks in the colours of labels."""
    place, made = root / "HISS" / split / folder, scene(count)
    for number, shown in enumerate(made):
        stem = f"{number:04d}"
        write_picture(place / f"{stem}_color.png", shown["rgb"])
        write_exr(place / f"{stem}_depth.exr", {"Y": shown["depth"]})
        write_exr(place / f"{stem}_simDepthImage.exr", {"Y": shown["sensor"]})
        colours = np.array([[0, 0, 0, 255], [25, 255, 140, 255]], "u1")
        write_picture(place / f"{stem}_mask.png", colours[(shown["instance"] > 0).astype(int)])
        write_picture(place / f"{stem}_normal.png", shown["rgb"])
    return made


def cleargrasp(root, name="cup-with-waves-train", count=2):
    """Simulated pictures, half floats."""
    place, made = root / name, scene(count, fov=CLEARGRASP_FOV)
    for number, shown in enumerate(made):
        stem = f"{number:09d}"
        write_picture(place / f"rgb-imgs/{stem}-rgb.jpg", shown["rgb"])
        truth = place / f"depth-imgs-rectified/{stem}-depth-rectified.exr"
        write_exr(truth, three(shown["depth"], "f2"))
        normals = place / f"camera-normals/{stem}-cameraNormals.exr"
        write_exr(normals, xyz(shown["normal"] * OPENGL, "f2"))
        mask = (shown["instance"] == 1).astype("u1") * 255
        write_picture(place / f"segmentation-masks/{stem}-segmentation-mask.png", mask)
    return made


def cleargrasp_real(root, name="real-test/d435", count=2):
    """Real pictures: NaN where the truth is not known, 0 where the sensor saw nothing."""
    place, made = root / name, scene(count, fov=CLEARGRASP_FOV)
    for number, shown in enumerate(made):
        stem = f"{number:09d}"
        write_picture(place / f"{stem}-transparent-rgb-img.jpg", shown["rgb"])
        write_picture(place / f"{stem}-opaque-rgb-img.jpg", shown["rgb"])
        holed = np.where(shown["depth"] > 0, shown["depth"], np.nan)
        write_exr(place / f"{stem}-opaque-depth-img.exr", three(holed, "f2"))
        write_exr(place / f"{stem}-transparent-depth-img.exr", three(shown["sensor"], "f2"))
        write_exr(place / f"{stem}-normals.exr", xyz(shown["normal"] * OPENGL, "f2"))
        write_picture(place / f"{stem}-mask.png", (shown["instance"] == 1).astype("u1") * 255)
    return made


def released(root, split="train", sequence=7, count=3, empty=()):
    """An archive; frames in `empty` have a largest depth of 0, as some published ones do."""
    path = root / split / f"{sequence:06d}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    made = scene(count)
    with tarfile.open(path, "w") as archive:
        for number, shown in enumerate(made):
            for ending, data in _members(shown, number in empty, sequence, number).items():
                member = tarfile.TarInfo(f"{sequence:06d}_{number:08d}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return made


def _members(shown, empty, sequence, number):
    height, width = shown["depth"].shape
    largest = 0.0 if empty else float(shown["depth"].max())
    stored = np.round(shown["depth"] / (largest or 1) * 65535) * (not empty)
    shares = shown["k"] / [[width, 1, width], [1, width, height], [1, 1, 1]]
    cameras = {"extrinsics": shown["pose"].tolist(), "intrinsics": shares.tolist()}
    normal = np.round((shown["normal"] * OPENGL + 1) * 127.5).astype("u1")
    facts = {"camera_matrices": cameras, "frame_id": number, "sequence_id": sequence}
    return {
        "image.png": _png(shown["rgb"]),
        "depth.png": _png(stored.astype("u2")),
        "depth.json": json.dumps({"max_depth": largest}).encode(),
        "normal.png": _png(normal),
        "metadata.json": json.dumps(facts).encode(),
    }


def _png(array):
    data = io.BytesIO()
    Image.fromarray(array).save(data, "png")
    return data.getvalue()


def cut(path: Path, share=0.5):
    """Leave only the first part of a file, as a broken download does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
