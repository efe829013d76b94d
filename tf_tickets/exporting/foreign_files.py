"""Files at the place of an export that are no part of one, for every format."""

from __future__ import annotations

import pathlib
import zipfile


def foreign_to_saved_model(path: pathlib.Path) -> list[str]:
    """What a folder holds beside a SavedModel; all of it where there is none."""
    if not path.is_dir():
        return ["a file"]
    files = [found.relative_to(path) for found in sorted(path.rglob("*")) if not _is_folder(found)]
    folders = [found.relative_to(path) for found in sorted(path.rglob("*")) if _is_folder(found)]
    if not files and not folders:
        return []
    own = _files_of(path)
    parents = {parent for name in own for parent in name.parents} | {
        pathlib.Path("variables"),
        pathlib.Path("assets"),
    }
    foreign = [name for name in files if name not in own] + [name for name in folders if name not in parents]
    return [str(name) for name in foreign]


def _is_folder(path: pathlib.Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _files_of(path: pathlib.Path) -> set[pathlib.Path]:
    """The files that a SavedModel in a folder consists of; none where there is no such."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        graphs = SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs
    except (OSError, DecodeError):
        return set()
    if not graphs:
        return set()
    names = {"saved_model.pb", "fingerprint.pb", "keras_metadata.pb", "variables/variables.index"}
    names |= {f"assets/{asset.filename}" for graph in graphs for asset in graph.asset_file_def}
    # One more than there are says of itself and all the others that they are not of one export.
    count = sum(1 for _ in path.glob("variables/variables.data-*"))
    names |= {f"variables/variables.data-{i:05d}-of-{count:05d}" for i in range(count)}
    return {pathlib.Path(name) for name in names}


def foreign_to_a_file(path: pathlib.Path) -> list[str]:
    """What lies at a path, if it is no file."""
    return [] if path.is_file() else ["a folder"]


def foreign_to_keras(path: pathlib.Path) -> list[str]:
    """What lies at a path, if it is no .keras file."""
    if not path.is_file():
        return ["a folder"]
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        names = set()
    return [] if {"config.json", "metadata.json"} <= names else ["a file of another kind"]


def foreign_to_litert(path: pathlib.Path) -> list[str]:
    """What lies at a path, if it is no LiteRT file."""
    if not path.is_file():
        return ["a folder"]
    with open(path, "rb") as file:
        return [] if file.read(8)[4:] == b"TFL3" else ["a file of another kind"]


def foreign_to_openvino(path: pathlib.Path) -> list[str]:
    """What lies at a path, if it is no OpenVINO model; or where its weights would be, if that is no file."""
    if not path.is_file():
        return ["a folder"]
    weights = path.with_suffix(".bin")
    if weights.exists() and not weights.is_file():
        return [f"{weights.name}, a folder"]
    with open(path, "rb") as file:
        return [] if b"<net " in file.read(200) else ["a file of another kind"]


def foreign_to_onnx(path: pathlib.Path) -> list[str]:
    """What lies at a path, if it is no ONNX file."""
    if not path.is_file():
        return ["a folder"]
    with open(path, "rb") as file:
        start = file.read(3)
    # The version of ONNX's format, then the producer's name, an opset or the graph.
    is_onnx = len(start) == 3 and start[0] == 0x08 and start[1] < 32 and start[2] in (0x12, 0x3A, 0x42)
    return [] if is_onnx else ["a file of another kind"]
