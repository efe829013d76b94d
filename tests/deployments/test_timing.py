"""How exports are timed: in turn, each in a process that knows no tf_tickets."""

import pathlib

import numpy as np
import pytest

from tf_tickets.deployments import timing
from tf_tickets.deployments.timing import Spread, Timing, faster, interleaved, timekeeper_of

X = {"rows": np.ones((2, 3), "float32")}


class Noted:
    """A timekeeper that notes when it was asked, and takes as long as it says."""

    def __init__(self, name, calls, wall):
        self.name, self.calls, self.wall = name, calls, wall

    def milliseconds(self, count):
        self.calls.append((self.name, count))
        return {"cpu": self.wall / 2, "wall": self.wall}


def test_each_round_asks_all_and_begins_with_another():
    calls = []
    found = interleaved({name: Noted(name, calls, 10) for name in "abc"}, rounds=3, seconds=0.05)
    warm, asked = calls[:6], calls[6:]
    assert warm == [(name, 1) for name in "aabbcc"]
    assert "".join(name for name, _ in asked) == "abc" + "bca" + "cab"
    assert {count for _, count in asked} == {5}
    assert found["a"] == Timing((5, 5, 5), (10, 10, 10))


def test_a_batch_that_takes_longer_than_a_round_is_computed_once():
    calls = []
    interleaved({"a": Noted("a", calls, 1000)}, rounds=1, seconds=0.1)
    assert calls[-1] == ("a", 1)


def test_speeds_are_compared_round_by_round():
    """A slow round is slow for both."""
    slow, fast = Timing((4, 40, 4), (0, 0, 0)), Timing((2, 20, 1), (0, 0, 0))
    assert faster(fast, than=slow) == 2
    assert Spread.of([1, 2, 3, 4, 5]) == Spread(3, 2, 4)


@pytest.fixture
def runtimes(tmp_path, monkeypatch):
    """A file of runtimes in the place of ours."""
    file = tmp_path / "mine.py"
    monkeypatch.setattr(timing.runtimes, "__file__", str(file))
    return file


class TestAProcess:
    def test_computes_what_it_is_given_and_counts(self, runtimes, tmp_path):
        """What a runtime prints is no answer."""
        runtimes.write_text(
            "def twice(path, threads):\n"
            "    assert threads == 1 and open(path).read() == 'an export'\n"
            "    print('loaded')\n"
            "    return lambda inputs: [2 * inputs['rows'], inputs['rows'][:1]]\n"
        )
        (tmp_path / "export").write_text("an export")
        with timekeeper_of("twice", tmp_path / "export", X) as found:
            np.testing.assert_array_equal(found.outputs[0], 2 * X["rows"])
            np.testing.assert_array_equal(found.outputs[1], X["rows"][:1])
            assert found.milliseconds(100).keys() == {"cpu", "wall"}
            process = found._process
        assert process.poll() is not None

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("line", "message"),
        [("import tf_tickets", "tf_tickets"), ("raise OSError('disk full')", "disk full")],
    )
    def test_that_cannot_run_says_why(self, line, message, runtimes):
        runtimes.write_text(f"def broken(path, threads):\n    {line}\n")
        said = pytest.raises(RuntimeError, match=f"It does not run by itself: .*{message}")
        with said, timekeeper_of("broken", pathlib.Path("export"), X):
            pass

    @pytest.mark.slow
    def test_that_ends_while_it_computes_says_so(self, runtimes):
        runtimes.write_text(
            "calls = []\n"
            "def dies(path, threads):\n"
            "    def run(inputs):\n"
            "        calls.append(1)\n"
            "        if len(calls) > 1: raise MemoryError('no more')\n"
            "        return [inputs['rows']]\n"
            "    return run\n"
        )
        said = pytest.raises(RuntimeError, match="no more")
        with timekeeper_of("dies", pathlib.Path("export"), X) as found, said:
            found.milliseconds(1)
