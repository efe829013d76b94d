"""Paths and URLs that a user wrote: one way to read them, wherever one is taken."""

import pathlib

import pytest

import tf_tickets as tt
from tests.runs import configure
from tf_tickets import data, results
from tf_tickets.reporting.report_directory import make_report
from tf_tickets.storage.user_paths import lasting_place, user_path, user_place

SHORT = {
    "s3:/bucket/x": "s3://bucket/x",
    "gs:/bucket": "gs://bucket",
    "file:/x/y": "file:///x/y",
    "memory:/x": "memory://x",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's own folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


class TestPlaces:
    def test_begin_at_home_where_a_tilde_says_so(self, home):
        assert user_place("here", "~/runs") == str(home / "runs")
        assert user_path("here", pathlib.Path("~/runs")) == home / "runs"

    @pytest.mark.parametrize(
        "text", ["runs/", "./x", "../x", "a~b", "C:/runs", "c:\\runs", "10:/x", "s3://b/x", "a:b/c", ""]
    )
    def test_are_left_as_they_are_otherwise(self, text):
        assert user_place("here", text) == text

    @pytest.mark.parametrize(("text", "right"), SHORT.items())
    def test_that_lack_a_slash_are_refused_with_the_right_spelling(self, text, right):
        with pytest.raises(ValueError, match=rf"^here: a URL has two slashes, {right}\. \(.*\./{text}\.\)$"):
            user_place("here", text)

    def test_called_like_a_url_can_still_be_written(self):
        assert user_place("here", "./s3:/bucket") == "./s3:/bucket"

    def test_of_nobody_are_refused_by_name(self):
        with pytest.raises(ValueError, match=r"^--run_dir=~nobody-of-this-name/x: "):
            lasting_place("run_dir", "~nobody-of-this-name/x")

    def test_on_this_machine_are_no_urls(self):
        with pytest.raises(ValueError, match="here: a path on this machine is needed here, no URL"):
            user_path("here", "s3://bucket/x")


class TestPlacesForRuns:
    @pytest.mark.parametrize(
        "url", ["data://", "reference://", "reference://a/b", "github://a/b", "nope://a/b"]
    )
    def test_that_cannot_be_opened_are_refused_by_flag(self, url):
        with pytest.raises(ValueError, match=rf"^--run_dir={url} (names no folder|cannot be opened: .)"):
            lasting_place("run_dir", url)

    @pytest.mark.parametrize("url", ["memory://runs", "simplecache::memory://runs"])
    def test_outlive_the_process(self, url):
        with pytest.raises(ValueError, match=rf"^--runs_dir={url} is in the memory of this process"):
            lasting_place("runs_dir", url)

    def test_may_be_a_disk(self, tmp_path):
        assert lasting_place("run_dir", f"file://{tmp_path}/runs") == f"file://{tmp_path}/runs"


def export_of(path):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    return tt.export(model, path, allow_dense=True)


# Whoever takes a path: a function of it.
TAKERS = {
    "--run_dir": lambda path: configure(f"--run_dir={path}"),
    "--dense_dir": lambda path: configure(f"--dense_dir={path}"),
    "--data_dir": lambda path: configure(f"--data_dir={path}"),
    "--ticket": lambda path: configure(f"--ticket={path}"),
    "--ratios": lambda path: configure("--method=random", "--sparsity=0.5", f"--ratios=ticket:{path}"),
    "data_dir=": lambda path: data.load("digits", data_dir=path),
    "npz:": lambda path: data.load(f"npz:{path}"),
    "idx:": lambda path: data.load(f"idx:{path}"),
    "Ticket.load": tt.Ticket.load,
    "export": export_of,
    "results.load": results.load,
    "make_report": lambda path: make_report("runs", path),
}


@pytest.mark.parametrize("taker", TAKERS)
def test_whoever_takes_a_path_refuses_what_is_neither_that_nor_a_url(taker, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="s3:/bucket/x: a URL has two slashes, s3://bucket/x"):
        TAKERS[taker]("s3:/bucket/x")
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_expanded_in_every_flag(home):
    config, _ = configure("--run_dir=~/run", "--dense_dir=~/dense", "--data_dir=~/data", "--model=mlp_8")
    assert (config.run_dir, config.dense_dir, config.data_dir) == tuple(
        str(home / name) for name in ("run", "dense", "data")
    )


def test_a_tilde_is_expanded_by_the_library(home):
    import numpy as np

    ticket = tt.Ticket((np.ones((2, 2), bool),), ("a",), {})
    ticket.save("~/t.npz")
    assert (home / "t.npz").exists() and tt.Ticket.load("~/t.npz").sha256 == ticket.sha256
    assert export_of("~/model.keras").path == home / "model.keras"
    with pytest.raises(FileNotFoundError, match="No ticket at"):
        configure("--ticket=~/none.npz")
    with pytest.raises(ValueError, match="There is no run in ~"):
        results.load("~")
