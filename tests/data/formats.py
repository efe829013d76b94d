"""Small datasets in the true formats of the big ones."""

import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np


def idx_bytes(array: np.ndarray) -> bytes:
    """One IDX file of unsigned bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx_folder(folder, train, test, name="{part}-{what}-idx{ndim}-ubyte", compress=False):
    """The four files of the MNIST family; `train` and `test` are (images, labels)."""
    folder.mkdir(exist_ok=True)
    for part, arrays in (("train", train), ("t10k", test)):
        for what, array in zip(("images", "labels"), arrays, strict=True):
            file_name = name.format(part=part, what=what, ndim=array.ndim)
            data = idx_bytes(array)
            if compress:
                (folder / (file_name + ".gz")).write_bytes(gzip.compress(data))
            else:
                (folder / file_name).write_bytes(data)
    return folder


def labelled_bytes(n, shape, classes, seed):
    """Random uint8 examples, and labels in which every class occurs."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n, dtype=np.uint8) % classes


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A gzipped tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def cifar_records(images: np.ndarray, *labels: np.ndarray) -> bytes:
    """CIFAR's binary format: the label bytes, then red, green and blue planes, image by image."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    columns = [column.astype(np.uint8)[:, None] for column in labels]
    return np.concatenate([*columns, planes], axis=1).tobytes()


def tiny_imagenet_files(classes=3, train_per_class=4, test=6) -> dict[str, bytes]:
    """The layout of tiny-imagenet-200.zip: JPEG files, some of them grey, in class folders."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    names = [f"n{1000 + 7 * label:08d}" for label in range(classes)][::-1]  # not in sorted order

    def jpeg(grey=False):
        pixels = rng.integers(0, 256, (8, 8, 1 if grey else 3), np.uint8).repeat(8, 0).repeat(8, 1)
        return tf.io.encode_jpeg(pixels).numpy()

    files = {"wnids.txt": "\n".join(names).encode() + b"\n"}
    for name in names:
        for i in range(train_per_class):
            files[f"train/{name}/images/{name}_{i}.JPEG"] = jpeg(grey=i == 0)
        files[f"train/{name}/{name}_boxes.txt"] = b"ignored"
    lines = []
    for i in range(test):
        files[f"val/images/val_{i}.JPEG"] = jpeg()
        lines.append(f"val_{i}.JPEG\t{names[i % classes]}\t0\t0\t62\t62")
    files["val/val_annotations.txt"] = "\n".join(lines).encode() + b"\n"
    files["test/images/test_0.JPEG"] = jpeg()
    return {f"tiny-imagenet-200/{path}": data for path, data in files.items()}


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def word_lists(folder) -> dict:
    """Two lists of words as Debian has them, one in UTF-8 and one in Latin-1: language -> file."""
    english = (
        "London it don't uncharacteristically table walk walks walked house houses water river tree trees"
    )
    english += " green greener window bread stone"
    french = "Paris table tables maison maisons forêt forêts école écoles arbre fleuve fenêtre pain pierre"
    (folder / "en").write_bytes("\n".join(english.split()).encode() + b"\n")
    (folder / "fr").write_bytes("\n".join(french.split()).encode("latin-1") + b"\n")
    return {"english": folder / "en", "french": folder / "fr"}
