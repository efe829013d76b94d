"""The user's tables and folders of images: damaged files are refused by name, or read."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.mutations import damaged, fuzz, read_or_refused
from tf_tickets import data

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": RNG.normal(size=60).round(3),
        "place": np.array(["wood", "fen", "bog"])[np.arange(60) % 3],
        "kind": np.arange(60) % 2,
    }
)
PIXELS = RNG.integers(0, 256, (5, 7, 3), np.uint8)
TABLES = {"csv": FRAME.to_csv(index=False).encode(), "parquet": FRAME.to_parquet(None)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", TABLES)
@fuzz(60)
@given(changes=st.data())
def test_a_damaged_table_is_refused_by_name_or_read(kind, tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("table") / f"table.{kind}"
    path.write_bytes(changes.draw(damaged(TABLES[kind])))
    dataset = read_or_refused(lambda: data.load(f"{kind}:{path}"), str(path))
    if dataset is not None:
        x, y = dataset.train
        assert len(x) == len(y) and np.isfinite(x).all() and set(y) == set(range(dataset.num_classes))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif"])
@fuzz(24)
@given(changes=st.data())
def test_a_damaged_image_is_refused_by_name_or_read(suffix, tmp_path_factory, changes):
    whole = io.BytesIO()
    Image.fromarray(PIXELS).save(whole, format={"jpg": "jpeg"}.get(suffix, suffix))
    folder = tmp_path_factory.mktemp("images")
    for name in ("train/a", "train/b", "test/a"):
        (folder / name).mkdir(parents=True)
        (folder / name / f"0.{suffix}").write_bytes(whole.getvalue())
    (folder / "train" / "a" / f"0.{suffix}").write_bytes(changes.draw(damaged(whole.getvalue())))
    dataset = read_or_refused(lambda: data.load(f"images:{folder}"), str(folder))
    if dataset is not None:
        assert dataset.splits["train"].images.shape == (2, *dataset.input_shape)
