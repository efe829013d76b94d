"""ImageNet of 2012 as TensorFlow Datasets prepares it, read from disk as it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_tickets.data import tfds_builders
from tf_tickets.data.examples import Examples
from tf_tickets.data.record_index import load_or_make
from tf_tickets.data.splits import Splits
from tf_tickets.data.stored_images import StoredImages

SIZE = (224, 224)
SPLITS = {"train": "train", "test": "validation"}  # the labels of the test split are not public


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """The training split, and the validation split to test on; nothing but an index comes into memory.

    Args:
        name: `"imagenet2012"`, or with a version.
        data_dir: folder of prepared datasets; None is TFDS's default.
        image_size: (height, width) of what the model sees; None is 224x224.

    Raises:
        ValueError: the files are not what they should be.
        ConnectionError: the dataset is not prepared.
    """
    return read_builder(tfds_builders.open_dataset(name, data_dir), image_size or SIZE)


def read_builder(builder: Any, image_size: tuple[int, int]) -> Splits:
    """Likewise of any builder of labelled, encoded images."""
    import tensorflow_datasets as tfds

    image_key, label_key = tfds_builders.supervised_features(builder)
    tfds_builders.prepare(builder)
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        raise ValueError(
            f"tfds:{builder.name} is read from files of the format tfrecord. Those in {builder.data_path} "
            f"are {builder.info.file_format.value}: prepare it once more, in another data_dir, as tfrecord."
        )
    splits = {}
    for split, stored in SPLITS.items():
        if stored not in builder.info.splits:
            raise ValueError(f"tfds:{builder.name} has no {stored} split in {builder.data_path}.")
        files = [str(path) for path in builder.info.splits[stored].filepaths]
        try:
            index = load_or_make(Path(builder.data_path) / f"tf_tickets_index_{stored}.npz", files, label_key)
        except (ValueError, OSError) as error:
            raise ValueError(tfds_builders.damaged(builder, str(error).rstrip("."))) from error
        splits[split] = Examples(StoredImages(index, image_key, image_size), index.labels)
    return Splits(splits["train"], splits["test"], builder.info.features[label_key].num_classes)
