"""Every dataset that can be loaded: `SOURCES`, one row for each, and `load`."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from tf_tickets.data import (
    digits,
    idx,
    image_folders,
    imagenet,
    languages,
    mnist1d,
    npz,
    own_datasets,
    table_files,
    tfds_source,
    tiny_imagenet,
)
from tf_tickets.data.dataset import Dataset
from tf_tickets.data.holdout import hold_out
from tf_tickets.data.recognition import AUTO, STANDARDIZE
from tf_tickets.data.source import Source, generic_recipe
from tf_tickets.data.subsets import first_examples, split_anew
from tf_tickets.storage.user_paths import user_place
from tf_tickets.support.memory import check_memory
from tf_tickets.support.numbers import is_number, is_whole
from tf_tickets.support.own_code import is_own, short_name
from tf_tickets.support.short_reprs import Rows
from tf_tickets.support.words import did_you_mean
from tf_tickets.training.learning_tasks import BY_TARGETS, CLASSIFICATION, TASKS
from tf_tickets.training.recipe import Recipe

PAPER = Recipe(model="resnet32", epochs=160, augment=True)
SIGNALS = Recipe(model="lenet_300_100", epochs=30, batch_size=64, augment=False)
WORDS = Recipe(model="lenet_300_100", epochs=12, batch_size=128, weight_decay=1e-3, augment=False)
MNIST_FAMILY = Recipe(model="lenet_300_100", epochs=12, batch_size=128, augment=False)
# Of Soft Threshold Reparameterization's code, on which the second paper builds.
IMAGENET = Recipe(
    model="keras:ResNet50",
    epochs=100,
    augment=True,
    batch_size=256,
    learning_rate=0.256,
    momentum=0.875,
    weight_decay=2.2517578e-5,
    schedule="cosine",
    warmup_epochs=5,
    label_smoothing=0.1,
)


# CIFAR-10's std is the popular one, smaller than the true one (0.247 0.2435 0.2616): the paper's
# numbers were made with it.
SOURCES: dict[str, Source] = {
    "digits": Source(
        digits.read,
        "scikit-learn's 8x8 digits, no download",
        Recipe(model="resnet20", width=0.5, epochs=30, augment=False),
        scale=1 / 16,
        mean=(0.30538,),
        std=(0.37612,),
        crop=False,
        flip=False,
        at_hand=True,
    ),
    "mnist1d": Source(
        mnist1d.read,
        "MNIST-1D, signals of 40 values in ten classes, generated here",
        SIGNALS,
        at_hand=True,
    ),
    "cifar10": Source(
        tfds_source.read,
        "CIFAR-10",
        PAPER,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
        crop=True,
        flip=True,
    ),
    "cifar100": Source(
        tfds_source.read,
        "CIFAR-100, fine labels",
        PAPER,
        mean=(0.5071, 0.4867, 0.4408),
        std=(0.2675, 0.2565, 0.2761),
        crop=True,
        flip=True,
    ),
    "fashion_mnist": Source(
        tfds_source.read,
        "Fashion-MNIST",
        MNIST_FAMILY,
        mean=(0.2860,),
        std=(0.3530,),
        crop=True,
        flip=True,
    ),
    "tiny_imagenet": Source(
        tiny_imagenet.read,
        "Tiny ImageNet, 200 classes of 64x64",
        dataclasses.replace(PAPER, epochs=300),
        mean=(0.48024578664982126, 0.44807218089384643, 0.3975477478649648),
        std=(0.2769864069088257, 0.26906448510256, 0.282081906210584),
        crop=True,
        flip=True,
    ),
    "tfds:NAME": Source(tfds_source.read, "any TensorFlow Datasets dataset of labelled images or vectors"),
    "tfds:imagenet2012": Source(
        imagenet.read,
        "ImageNet, 1000 classes; its images stay on disk",
        IMAGENET,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        crop=True,
        flip=True,
        stays_on_disk=True,
    ),
    "idx:DIR": Source(
        idx.read,
        "a folder with the four files of MNIST or its family",
        MNIST_FAMILY,
        crop=True,
        flip=False,  # mirrored digits and letters are other ones, or none
        is_files=True,
    ),
    "words:FILE": Source(
        languages.read,
        "which language a word is of, a .npz file of ./scripts/datasets words",
        WORDS,
        is_files=True,
    ),
    "images:DIR": Source(
        image_folders.read,
        "a folder of images by class, train/CLASS and test/CLASS or CLASS alone: PNG, JPEG, BMP, GIF",
        is_own=True,
        is_files=True,
    ),
    "npz:FILE": Source(
        npz.read,
        "a .npz file with x_train, y_train, x_test, y_test: images or a table",
        is_own=True,
        is_files=True,
        takes=("task",),
    ),
    "csv:FILE": Source(
        table_files.read_csv,
        "a table with a line of names on top, or a folder with train.csv and test.csv",
        is_own=True,
        is_files=True,
        takes=("task", "target"),
    ),
    "parquet:FILE": Source(
        table_files.read_parquet,
        "a table, or a folder with train.parquet and test.parquet",
        is_own=True,
        is_files=True,
        takes=("task", "target"),
    ),
}
SOURCES = Rows(SOURCES)

# What a function of the user's returns.
OWN_KIND = "function"
OWN = Source(own_datasets.read, "a function of your own", is_own=True, is_files=True, takes=("task",))


def load(
    name: str,
    data_dir: str | None = None,
    seed: int = 0,
    validation_fraction: float = 0.0,
    image_size: int | tuple[int, int] | None = None,
    standardize: str = AUTO,
    task: str = BY_TARGETS,
    target: str | None = None,
    split_seed: int | None = None,
    train_examples: int | None = None,
) -> Dataset:
    """Loads a dataset into memory (ImageNet: an index of it), together with the recipe to train on it.

    The training and test sets are those of the dataset's authors, whatever the seed; of a folder of images or
    a table that comes in one piece, a fifth is the test set, always the same. `split_seed` splits the same
    examples anew.

    Args:
        name: a key of `SOURCES`: `"digits"`, `"mnist1d"`, `"cifar10"`, `"cifar100"`, `"fashion_mnist"`,
            `"tiny_imagenet"`, `"tfds:imagenet2012"`, `"tfds:NAME"`, `"idx:DIR"`, `"words:FILE"`,
            `"images:DIR"`, `"npz:FILE"`, `"csv:FILE"` or `"parquet:FILE"`; or `"module:function"` or
            `"file.py:function"`, which returns ((x_train, y_train), (x_test, y_test)).
        data_dir: folder (`~` is expanded) where TensorFlow Datasets keeps datasets, and where an unpacked
            `tiny-imagenet-200` is looked for; None is TFDS's default.
        seed: of the validation split. Default 0.
        validation_fraction: part of the training set to hold out, stratified, in [0, 0.5]. The
            test set is never touched. Default 0.0.
        image_size: pixels, one number or (height, width), to resize images to. Default None.
        standardize: of your own files, whether the examples are brought to mean 0 and deviation 1 (images by
            channel, tables by column): `"always"`, `"never"` (the model gets the values of the file), or
            `"auto"`: all but images of floats in [0, 1], or with negative values and none beyond 32.
        task: what is learned, a name of `tf_tickets.training.TASKS`, which data of your own may say:
            `"classification"`, `"multi_label"` or `"regression"`. `"auto"`: what the targets evidently are.
        target: of `csv:FILE` and `parquet:FILE`, the name of the column to predict. Default: the last.
        split_seed: draws another split into training and test examples, of the same sizes, stratified where
            there are classes. Default None, the split of the authors. What training rows decided for all
            when the data was made or read (columns of words in a table) stays as it was.
        train_examples: so many of the training examples, the first of a fixed stratified order: a budget, for
            shorter trainings. They are chosen before any are held out. The test set stays whole. Default
            None, all.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: an argument is out of range, or the data is not what it should be.
        FileNotFoundError: a file or folder is missing.
        ConnectionError: a dataset is not here and cannot be downloaded.

    Example:

    >>> dataset = tf_tickets.data.load("digits", validation_fraction=0.1)
    >>> dataset.input_shape, dataset.num_classes
    ((8, 8, 1), 10)
    """
    source, argument = find(name)
    check_split(seed, validation_fraction)
    check_subsets(name, split_seed, train_examples)
    size = _size(image_size)
    if standardize not in STANDARDIZE:
        raise ValueError(f"standardize={standardize!r} is unknown. Choose one of: {', '.join(STANDARDIZE)}.")
    if standardize != AUTO and not source.is_own:
        raise ValueError(
            f"standardize={standardize!r} means nothing to {name}, whose normalisation is known: it is for "
            f"{', '.join(pattern for pattern, row in SOURCES.items() if row.is_own)}."
        )
    if task not in (BY_TARGETS, *TASKS):
        raise ValueError(f"task={task!r} is unknown. Choose one of: {', '.join((BY_TARGETS, *TASKS))}.")
    if task not in (BY_TARGETS, CLASSIFICATION) and "task" not in source.takes:
        raise ValueError(
            f"task={task!r} means nothing to {name}, whose labels are classes. Other targets are those of "
            f"{_takers('task')}."
        )
    if target is not None and "target" not in source.takes:
        raise ValueError(f"target={target!r} means nothing to {name}: it is for {_takers('target')}.")
    if data_dir is not None:
        data_dir = user_place(f"data_dir={data_dir}", data_dir)
    told = {"task": task, "target": target}
    stored = source.read(argument, data_dir, size, **{name: told[name] for name in source.takes})
    splits, notes = {"train": stored.train, "test": stored.test}, stored.notes
    if split_seed is not None:
        splits["train"], splits["test"] = split_anew(stored.train, stored.test, split_seed)
        notes += (f"training and test examples are pooled and split anew by split_seed={split_seed}",)
    if train_examples is not None:
        notes += (f"the first {train_examples:,} of {len(stored.train):,} training examples",)
        splits["train"] = first_examples(splits["train"], train_examples)
    if size is not None:
        check_memory(
            f"image_size={size} of {sum(map(len, splits.values())):,} images",
            sum(examples.resized_bytes(size) for examples in splits.values()),
            "Choose a smaller one.",
        )
        splits = {split: examples.resized(size) for split, examples in splits.items()}
    if validation_fraction:
        splits["train"], splits["validation"] = hold_out(
            splits["train"], validation_fraction, seed, reuse=True
        )
    images = splits["train"].images
    input_shape = images.shape[1:]
    return Dataset(
        name=name,
        input_shape=input_shape,
        num_classes=stored.num_classes,
        recipe=dataclasses.replace(source.recipe or generic_recipe(input_shape), task=stored.task),
        preprocessing=source.preprocessing(images, stored.as_given, standardize),
        splits=splits,
        notes=notes,
    )


def find(name: str) -> tuple[Source, str]:
    """The row of `SOURCES` that a name asks for, and the argument for its reader.

    Raises:
        ValueError: there is none; the message lists the rows.
    """
    if isinstance(name, str):
        prefix, colon, argument = name.partition(":")
        for full, source in SOURCES.items():
            if ":" in full and f"{name}:".startswith(f"{full}:"):  # a version may follow
                return source, argument
        for pattern, source in SOURCES.items():
            if pattern.partition(":")[:2] == (prefix, colon):
                if colon and not argument:
                    raise ValueError(f"{name!r} lacks what follows the colon: {pattern}.")
                return source, argument if colon else name
        if is_own(name) and prefix not in SOURCES:
            return OWN, name
    raise ValueError(
        f"Unknown dataset {name!r}.{did_you_mean(name, SOURCES)} Datasets: {', '.join(SOURCES)}; those of "
        "TensorFlow Datasets are written tfds:NAME, a function of yours module:function or file.py:function."
    )


def _takers(option: str) -> str:
    return ", ".join(pattern for pattern, row in SOURCES.items() if option in row.takes)


def named_dataset(name: str) -> str:
    """What names a run of a dataset's name: all of it but the folders of the user's files."""
    kind = dataset_kind(name)
    if kind == name:
        return name
    argument = find(name)[1]
    return short_name(name) if kind == OWN_KIND else f"{kind}:{os.path.basename(os.path.normpath(argument))}"


def dataset_kind(name: str) -> str:
    """What a dataset is known by beside its examples: its name, but of the user's data `npz`, `idx`, ..."""
    try:
        source, _ = find(name)
    except ValueError:  # of another version
        return name
    if not source.is_files:
        return name
    return OWN_KIND if source is OWN else name.partition(":")[0]


def check_split(seed: Any, validation_fraction: Any) -> None:
    """Refuses what no validation split can be drawn by."""
    if not is_whole(seed, 0):
        raise ValueError(f"seed must be a whole number, 0 or more. Received: {seed!r}")
    if not is_number(validation_fraction) or not 0 <= validation_fraction <= 0.5:
        raise ValueError(
            f"validation_fraction must be a number in [0, 0.5]. Received: {validation_fraction!r}"
        )


def check_subsets(name: str, split_seed: Any, train_examples: Any) -> None:
    """Refuses what a dataset cannot be split anew by, or cut to, before it is read."""
    if split_seed is not None:
        if not is_whole(split_seed, 0):
            raise ValueError(f"split_seed must be a whole number, 0 or more. Received: {split_seed!r}")
        if find(name)[0].stays_on_disk:
            raise ValueError(
                f"split_seed={split_seed} is not for {name}: its images stay on disk and cannot be pooled."
            )
    if train_examples is not None and not is_whole(train_examples, 1):
        raise ValueError(f"train_examples must be a whole number, 1 or more. Received: {train_examples!r}")


def _size(image_size: Any) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = (image_size, image_size) if is_whole(image_size) else image_size
    whole = isinstance(size, (tuple, list)) and all(is_whole(side, 1) for side in size)
    if not whole or len(size) != 2:
        raise ValueError(
            f"image_size must be a number of pixels or (height, width). Received: {image_size!r}"
        )
    return int(size[0]), int(size[1])
