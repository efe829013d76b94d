"""scikit-learn's 8x8 digits: 1,797 real scans that ship with the library, for runs in a minute."""

from __future__ import annotations

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.splits import Splits


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """uint8 images `(n, 8, 8, 1)` of 0 to 16; the same 1,437 for training whatever the seed."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = digits.images.astype(np.uint8)[..., None]
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    return Splits(Examples(train_images, train_labels), Examples(test_images, test_labels), 10)
