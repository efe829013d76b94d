"""Paths and URLs: what their text alone tells."""

import os

import pytest

from tests.runs import configure
from tf_tickets.storage import urls
from tf_tickets.storage.remote_directories import run_directory


class TestNames:
    def test_of_paths_are_left_as_they_are(self, tmp_path):
        assert type(run_directory(str(tmp_path), {"method": "lt"})).__name__ == "RunDirectory"
        assert urls.join("runs", "a") == os.path.join("runs", "a")

    @pytest.mark.parametrize(
        ("url", "parent"),
        [
            ("s3://bucket/runs/a", "s3://bucket/runs"),
            ("s3://bucket/runs/a/", "s3://bucket/runs"),
            ("file:///tmp/a", "file:///tmp"),
            ("memory://a", "memory://"),
        ],
    )
    def test_of_urls_keep_their_slashes(self, url, parent):
        assert urls.parent(url) == parent
        assert urls.join(url, "b", "c") == f"{url.rstrip('/')}/b/c"

    def test_of_dense_trainings_lie_beside_the_run(self):
        config, _ = configure("--run_dir=s3://bucket/runs/a", "--model=mlp_24_16")
        assert config.run_dir == "s3://bucket/runs/a"
        assert config.dense_dir.startswith("s3://bucket/runs/dense/")

    def test_that_are_one_place_are_refused(self):
        with pytest.raises(ValueError, match="two directories"):
            configure("--run_dir=s3://bucket/a", "--dense_dir=s3://bucket/a/", "--model=mlp_24_16")

    def test_that_are_one_folder_by_a_link_are_refused(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "run")
        with pytest.raises(ValueError, match="two directories"):
            configure(f"--run_dir={tmp_path}/run", f"--dense_dir={tmp_path}/link", "--model=mlp_24_16")
