"""What goes wrong around a run: other processes, disks, memory, clocks. One line says it, nothing is lost."""

import os
import pathlib
import platform
import re
import resource
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.runs import SHORT, TINY, eagerly, finished, parsed
from tests.runs import short as run
from tf_tickets import models, pruning, training
from tf_tickets.programs import run as command_line
from tf_tickets.storage.directories import Directory
from tf_tickets.storage.errors import NotOurs

ROOT = pathlib.Path(__file__).parents[2]
ARGUMENTS = ("--method=hybrid", "--sparsity=0.8")


class TestTwoProcessesInOneDirectory:
    def test_the_second_is_told_who_holds_it(self, tmp_path):
        ours = Directory(tmp_path / "run", {"x": 1}, "run").claim()
        with ours.locked():
            words = rf"at work in .*run: process {os.getpid()} on {re.escape(platform.node())}, since 20\d\d-"
            with pytest.raises(NotOurs, match=words), Directory(tmp_path / "run", {"x": 1}, "run").locked():
                pass
        with ours.locked():
            pass

    def test_a_holder_that_was_killed_is_none(self, tmp_path):
        ours = Directory(tmp_path / "run", {"x": 1}, "run").claim()
        code = (
            "import os, sys; from tf_tickets.storage.directories import Directory\n"
            "ours = Directory(sys.argv[1], {'x': 1}, 'run')\n"
            "with ours.locked(): os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", code, str(ours.path)], cwd=ROOT, check=False)
        assert "process" in (ours.path / ".lock").read_text()
        with ours.locked():
            assert f"process {os.getpid()} " in (ours.path / ".lock").read_text()

    @pytest.mark.parametrize("linked", [False, True])
    def test_a_file_that_is_called_as_the_lock_by_chance_stays(self, linked, tmp_path):
        """Of a folder that else holds hidden files alone, in which runs may go."""
        lock, mine = tmp_path / "run/.lock", tmp_path / "mine"
        lock.parent.mkdir()
        mine.write_bytes(b"process \xff of mine")
        lock.symlink_to(mine) if linked else lock.write_bytes(b"\xff of another program")
        before = lock.read_bytes()
        ours = Directory(lock.parent, {"x": 1}, "run").claim()
        with ours.locked(), pytest.raises(NotOurs, match="Another process is at work"), ours.locked():
            pass
        assert lock.read_bytes() == before


class TestDisks:
    @pytest.mark.slow
    def test_a_full_one_is_one_line_and_the_last_checkpoint_stays(self, tmp_path, monkeypatch, capsys):
        """Files of more than 60 KB cannot be written, as if there were no more room; the weights take 190."""
        arguments = (*ARGUMENTS, "--model=mlp_256", "--checkpoint_minutes=0", f"--run_dir={tmp_path / 'run'}")
        # It is at work already in this process, and its threads are set.
        monkeypatch.setattr(command_line, "load_tensorflow", lambda threads: None)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
        try:
            with parsed(*TINY, *SHORT, *arguments), eagerly():
                code = command_line.main(["run"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        said = capsys.readouterr().err
        assert code == 1
        assert "File too large" in said and "Traceback" not in said
        assert len(said.strip().splitlines()) == 1
        assert not list(tmp_path.rglob(".*.npz.*")), "nothing that was begun is left"

    @pytest.mark.slow
    @pytest.mark.parametrize("flag", ["run_dir", "dense_dir"])
    def test_where_nothing_can_be_written_nothing_starts(self, flag, tmp_path):
        words = f"--{flag}=/proc/nowhere/here cannot be written"
        with pytest.raises(NotOurs, match=words):
            run(tmp_path / "run", *ARGUMENTS, f"--{flag}=/proc/nowhere/here")
        assert not list(tmp_path.rglob("*.h5"))


class TestMemory:
    def test_what_to_lower_is_said(self, tmp_path, monkeypatch):
        """A model whose batch takes 4 PiB: the allocation really fails."""

        class Greedy(keras.layers.Layer):
            def call(self, x):
                much = tf.tile(x[:, :1], [1, 2**44])
                return x + tf.reduce_max(much, axis=1, keepdims=True)

        def build(name, input_shape, num_classes, **_):
            inputs = keras.Input(input_shape)
            x = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
            return keras.Model(inputs, keras.layers.Dense(num_classes)(Greedy()(x)))

        monkeypatch.setattr(models, "build", build)
        with pytest.raises(RuntimeError, match=r"Out of memory at --batch_size=720\. Lower that"):
            run(tmp_path / "run", *ARGUMENTS)

    @pytest.mark.slow
    def test_of_scoring_too(self, tmp_path, monkeypatch):
        def greedy(*_, **__):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

        monkeypatch.setattr(pruning, "draw_ticket", greedy)
        with pytest.raises(RuntimeError, match=r"Out of memory at --samples_per_class=10\. Lower that"):
            run(tmp_path / "run", "--method=snip", "--sparsity=0.8")


class TestClocks:
    @pytest.mark.slow
    def test_that_wrote_files_in_the_future_make_them_no_newer(self, tmp_path):
        finished(tmp_path / "run", "--method=random", by=run)
        for path in tmp_path.rglob("*"):
            os.utime(path, (2**32, 2**32))
        before = (tmp_path / "run" / "final.weights.h5").read_bytes()
        run(tmp_path / "run", "--method=random")
        assert (tmp_path / "run" / "final.weights.h5").read_bytes() == before


@pytest.mark.slow
def test_zeros_are_exact_in_half_precision_and_xla_is_asked_to_compile(tmp_path, monkeypatch):
    arguments = ("--method=random", "--sparsity=0.8", "--epochs=1", "--export=keras")
    made, asked = training.Trainer.__init__, []

    def watched(*given, **options):
        asked.append(options["jit_compile"])
        made(*given, **options)

    monkeypatch.setattr(training.Trainer, "__init__", watched)
    flags = ("--mixed_precision=bfloat16", "--jit_compile")
    result, screen = run(tmp_path / "run", *arguments, *flags)
    assert asked and all(asked)
    assert result["nonzero"] == result["kept"]
    assert "precision" in screen and "XLA" in screen
    loaded = keras.models.load_model(tmp_path / "run" / "model.keras")
    kernels = [np.asarray(layer.kernel) for layer in loaded.layers if hasattr(layer, "kernel")]
    assert sum(int(np.count_nonzero(kernel)) for kernel in kernels) == result["kept"]
    assert keras.config.dtype_policy().name == "float32"
    with pytest.raises(NotOurs, match="another config"):
        run(tmp_path / "run", *arguments)
