"""Builders of TensorFlow Datasets: opened, prepared, and asked for the features to learn from."""

from __future__ import annotations

import difflib
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tf_tickets.support.words import in_short


def open_dataset(name: str, data_dir: str | None) -> Any:
    """The builder of a dataset that TFDS knows, or that is prepared in `data_dir`.

    Raises:
        ValueError: there is none of that name.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    try:
        return open_builder(name, lambda: tfds.builder(name, data_dir=data_dir))
    except DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name.partition("/")[0].lower(), known, n=3)
        hint = f" Close names: {', '.join(close)}." if close else ""
        raise ValueError(
            f"TensorFlow Datasets has no dataset {name!r}, and none is prepared in "
            f"{data_dir or default_data_dir()}.{hint}"
        ) from error


def open_builder(name: str, make: Callable[[], Any]) -> Any:
    """`make()`, a TFDS builder, with its info; whatever fails is one ValueError."""
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    try:
        builder = make()
        _ = builder.info  # made on first use, and may fail then
    except DatasetNotFoundError:
        raise
    except Exception as error:  # a builder runs its dataset's own code, which may raise anything
        raise ValueError(f"tfds:{name} cannot be opened: {in_short(error)}") from error
    return builder


def prepare(builder: Any) -> None:
    """Downloads and prepares the builder's dataset unless its folder is there already.

    Raises:
        ConnectionError: it has to be downloaded and cannot be.
        OSError: it cannot be written.
        ValueError: the archive is not what it should be.
    """
    if builder.data_path.exists():
        return
    if _offline(builder):
        raise ConnectionError(_unprepared(builder, "this machine cannot look up its server"))
    import requests
    from tensorflow_datasets.core.download.util import DownloadError

    try:
        builder.download_and_prepare()
    except Exception as error:  # a builder runs its dataset's own code, which may raise anything
        if builder.data_path.exists():  # another process was faster
            return
        network = isinstance(error, (requests.RequestException, DownloadError))
        kind = ConnectionError if network else OSError if isinstance(error, OSError) else ValueError
        raise kind(_unprepared(builder, in_short(error))) from error


def default_data_dir() -> Path:
    """Where TFDS keeps datasets when no data_dir is given."""
    from tensorflow_datasets.core import constants

    return Path(constants.DATA_DIR).expanduser()


def supervised_features(builder: Any) -> tuple[str, str]:
    """Names of the features that hold the image (or vector) and the label."""
    features, keys = builder.info.features, builder.info.supervised_keys
    names = list(features) if hasattr(features, "keys") else []
    for pair in (keys, ("image", "label")):
        if isinstance(pair, tuple) and len(pair) == 2 and all(key in names for key in pair):
            break
    else:
        raise ValueError(
            f"tfds:{builder.name} has no image and label features: {', '.join(names)}. "
            "Choose a classification dataset of images or numeric vectors."
        )
    image, label = (features[key] for key in pair)
    shape = getattr(image, "shape", None)
    dtype = _dtype(image)
    if not isinstance(shape, tuple) or len(shape) not in (1, 3) or dtype.kind not in "uifb":
        raise ValueError(
            f"tfds:{builder.name}: the feature {pair[0]!r} must be an image or a vector of "
            f"numbers. Received: {dtype} of shape {shape}"
        )
    label_dtype = _dtype(label)
    if getattr(label, "shape", None) != () or label_dtype.kind not in "iu":
        raise ValueError(
            f"tfds:{builder.name}: the feature {pair[1]!r} must be one whole-number class. "
            f"Received: {label_dtype} of shape {getattr(label, 'shape', None)}"
        )
    return pair


def damaged(builder: Any, reason: str) -> str:
    """What to say of a prepared dataset that cannot be read."""
    return (
        f"{builder.name} in {builder.data_dir} cannot be read: {reason}. "
        "Delete that folder to have it prepared again."
    )


def _dtype(feature: Any) -> np.dtype:
    dtype = getattr(feature, "np_dtype", object)
    return np.dtype(object if isinstance(dtype, dict) else dtype)  # a dict is a nested feature


def _offline(builder: Any) -> bool:
    """True if nothing of the dataset is here and not one of its servers' names is known.

    TFDS itself tries for minutes before it gives up.
    """
    from tensorflow_datasets.core.download.resource import get_dl_fname

    archives = builder.url_infos or {}
    hosts = {urllib.parse.urlsplit(url).hostname for url in archives} - {None}
    if not hosts or builder.MANUAL_DOWNLOAD_INSTRUCTIONS or urllib.request.getproxies():
        return False
    downloads = _downloads(builder)
    names = {get_dl_fname(url, archive.checksum) for url, archive in archives.items()}
    names |= {get_dl_fname(url) for url in archives}
    names |= {archive.filename for archive in archives.values()} - {None}
    if any(file.name in names for file in downloads.rglob("*")):
        return False
    return not any(_is_known(host) for host in hosts if host)


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


def _downloads(builder: Any) -> Path:
    return Path(builder.data_dir_root) / "downloads"


def _unprepared(builder: Any, reason: str) -> str:
    archives = builder.url_infos or {}
    files = sorted({archive.filename for archive in archives.values() if archive.filename})
    by_hand = (
        f"put {', '.join(files)} into {_downloads(builder) / 'manual'}, or " if 0 < len(files) <= 4 else ""
    )
    return (
        f"{builder.name} is not prepared in {builder.data_dir_root} and could not be downloaded "
        f"and prepared: {reason}. Either {by_hand}prepare it on another machine and copy the "
        f"folder {Path(builder.data_dir_root) / builder.name} here, or use files of your own "
        "with idx:DIR or npz:FILE."
    )
