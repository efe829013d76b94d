"""The TFDS builder of Tiny ImageNet's public archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.units import Size

from tf_tickets.data.tiny_imagenet_listings import (
    FOLDER,
    IMAGE_SHAPE,
    Listing,
    class_names_of,
    test_listing,
    train_listing,
)

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


class TinyImagenet(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Tiny ImageNet, kept in the order of its folders; `test` is the archive's labelled `val`."""

    VERSION = tfds.core.Version("1.0.0")
    # TFDS would look for this in a file beside the module; as the archive is a single one, it
    # stands here. Knowing the name lets a hand-copied archive be found in downloads/manual.
    url_infos: ClassVar = {
        URL: UrlInfo(
            size=Size(248_100_043),
            checksum="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            filename="tiny-imagenet-200.zip",
        )
    }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="200 classes of 64x64 photographs out of ImageNet.",
            homepage="http://cs231n.stanford.edu/",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=IMAGE_SHAPE, encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(),  # the archive names the classes
                }
            ),
            supervised_keys=("image", "label"),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict]]]:
        folder = Path(dl_manager.download_and_extract(URL)) / FOLDER
        class_names = class_names_of(folder)
        self.info.features["label"].names = class_names
        return {
            "train": self._generate_examples(train_listing(folder, class_names)),
            "test": self._generate_examples(test_listing(folder, class_names)),
        }

    def _generate_examples(self, listing: Listing) -> Iterator[tuple[int, dict[str, Any]]]:
        for position, (path, label) in enumerate(listing):
            yield position, {"image": str(path), "label": label}
