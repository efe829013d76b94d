"""Tickets: counts, files that survive or say what is wrong with them, and putting them on models."""

import dataclasses
import io
import json
import math
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tf_tickets as tt
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.layers import Masked
from tf_tickets.pruning import Ticket
from tf_tickets.pruning.ticket_file import FORMAT, FORMAT_VERSION, masks_sha256

texts = st.text(max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda values: st.lists(values) | st.dictionaries(texts, values),
    max_leaves=3,
)


@st.composite
def tickets(draw):
    masks = draw(st.lists(hnp.arrays(bool, hnp.array_shapes(max_dims=4, max_side=4)), min_size=1, max_size=3))
    names = draw(st.lists(texts, min_size=len(masks), max_size=len(masks)))
    origin = draw(st.dictionaries(texts, json_values, max_size=3))
    return Ticket(tuple(masks), tuple(names), origin, tuple(draw(st.lists(texts, max_size=2))))


def example(seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(3, 3, 2, 4), (9,), (17, 3)]
    return Ticket(
        masks=tuple(rng.random(shape) < 0.6 for shape in shapes),
        names=("block/conv/kernel", "gain", "fc/kernel"),
        origin={"method": "random", "sparsity": 0.6, "seed": 3, "family": None},
        notes=("a note",),
    )


def assert_equal(ticket, other):
    assert_same(ticket.masks, other.masks)
    assert (ticket.names, ticket.origin, ticket.notes) == (other.names, other.origin, other.notes)
    assert ticket.layers == other.layers


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "ticket.npz"
    example().save(path)
    return path


class TestCounts:
    def test_are_those_of_the_masks(self):
        ticket = Ticket((np.eye(3, dtype=bool), np.zeros((2, 5), bool)), ("a", "b"))
        assert (ticket.kept, ticket.total, ticket.sparsity) == (3, 19, 1 - 3 / 19)
        first, second = ticket.layers
        assert (first.name, first.shape, first.kept, first.total) == ("a", (3, 3), 3, 9)
        assert (first.keep_ratio, second.keep_ratio) == (1 / 3, 0)

    @pytest.mark.slow
    @given(tickets())
    @settings(deadline=None, max_examples=30)
    def test_add_up(self, ticket):
        assert ticket.kept == sum(layer.kept for layer in ticket.layers)
        assert ticket.total == sum(math.prod(layer.shape) for layer in ticket.layers)

    def test_are_plain_numbers_that_json_takes(self):
        ticket = example()
        facts = [ticket.kept, ticket.total, ticket.sparsity, *map(dataclasses.asdict, ticket.layers)]
        assert json.loads(json.dumps(facts))[:2] == [ticket.kept, ticket.total]

    def test_masks_are_bool_arrays_with_a_name_each(self):
        with pytest.raises(ValueError, match=r"Masks are bool arrays. Received for a: uint8"):
            Ticket((np.ones(3, np.uint8),), ("a",))
        with pytest.raises(ValueError, match=r"one name a mask.* 1 masks, 2 names"):
            Ticket((np.ones(3, bool),), ("a", "b"))
        with pytest.raises(ValueError, match=r"at least one. Received: 0 masks"):
            Ticket((), ())


class TestSummary:
    def test_shows_layers_total_and_notes_in_columns(self):
        ticket = Ticket(
            masks=(np.arange(2000).reshape(40, 50) < 1234, np.ones((5, 2), bool)),
            names=("first/kernel", "fc/kernel"),
            notes=("mind the gap", "and the step"),
        )
        assert ticket.summary().splitlines() == [
            "layer         shape      kept     of  keep-ratio",
            "first/kernel  (40, 50)  1,234  2,000      61.70%",
            "fc/kernel     (5, 2)       10     10     100.00%",
            "total                   1,244  2,010      61.89%",
            "sparsity 38.1095%, effective sparsity not known",
            "note: mind the gap",
            "note: and the step",
        ]

    def test_shows_what_lies_on_a_path_where_it_is_known(self):
        ticket = Ticket((np.ones((40, 50), bool), np.ones((5, 2), bool)), ("first", "fc"), on_path=(1234, 10))
        assert ticket.summary().splitlines() == [
            "layer  shape      kept     of  keep-ratio  on a path",
            "first  (40, 50)  2,000  2,000     100.00%      1,234",
            "fc     (5, 2)       10     10     100.00%         10",
            "total            2,010  2,010     100.00%      1,244",
            "sparsity 0.0000%, effective sparsity 38.1095%",
        ]
        assert ticket.effective_sparsity == 1 - 1244 / 2010

    def test_is_what_print_shows(self):
        ticket = example()
        assert str(ticket) == ticket.summary()
        assert repr(ticket).startswith(f"Ticket({ticket.kept} of {ticket.total} in 3 layers, ")

    def test_says_that_no_path_is_left(self):
        ticket = Ticket((np.ones(4, bool), np.ones(2, bool)), ("a", "b"), on_path=(0, 0))
        assert ticket.collapsed == "the network has collapsed: no path is left from an input to an output"
        assert ticket.summary().splitlines()[-1] == ticket.collapsed

    def test_names_the_collapsed_layers(self):
        ticket = Ticket((np.zeros(4, bool), np.ones(4, bool), np.zeros(2, bool)), ("a", "b", "c"))
        assert ticket.collapsed_layers == ("a", "c")
        assert ticket.summary().splitlines()[-1] == "collapsed layers, of which nothing is left: a, c"
        assert example().collapsed is None and "collapsed" not in example().summary()

    def test_a_layer_off_every_path_has_collapsed_too(self):
        ticket = Ticket((np.ones(4, bool), np.ones(2, bool)), ("a", "b"), on_path=(4, 0))
        assert ticket.collapsed_layers == ("b",)


class TestComparison:
    def test_counts_what_is_shared_layer_by_layer(self):
        one = Ticket((np.array([1, 1, 0, 0], bool), np.array([1, 0], bool)), ("a", "b"))
        other = Ticket((np.array([1, 1, 1, 0], bool), np.array([0, 1], bool)), ("x", "y"))
        overlap = one.compare(other)
        first, second = overlap.layers
        assert (first.name, first.kept, first.other_kept, first.shared, first.total) == ("a", 2, 3, 2, 4)
        assert (first.overlap, first.jaccard, first.shared_by_chance, first.by_chance) == (
            1,
            2 / 3,
            1.5,
            0.75,
        )
        assert (second.shared, second.overlap, second.jaccard, second.by_chance) == (0, 0, 0, 0.5)
        total = overlap.total
        assert (total.kept, total.other_kept, total.shared, total.total) == (3, 4, 2, 6)
        assert (total.overlap, total.jaccard, total.by_chance) == (2 / 3, 2 / 5, 2 / 3)
        assert str(overlap).splitlines() == [
            "layer  kept  other  shared  overlap  by chance  jaccard",
            "a         2      3       2  100.00%     75.00%   66.67%",
            "b         1      1       0    0.00%     50.00%    0.00%",
            "total     3      4       2   66.67%     66.67%   40.00%",
        ]

    def test_of_a_ticket_with_itself_and_of_nothing(self):
        ticket = example()
        assert all(x.overlap == x.jaccard == 1 for x in (*ticket.compare(ticket).layers,) if x.kept)
        empty = Ticket((np.zeros(3, bool),), ("a",))
        (layer,) = empty.compare(empty).layers
        assert (layer.overlap, layer.jaccard, layer.by_chance) == (0, 1, 0)

    def test_of_random_masks_is_near_chance(self):
        masks = [np.random.default_rng(seed).random((100, 100)) < 0.3 for seed in (0, 1)]
        one, other = (Ticket((mask,), ("a",)) for mask in masks)
        (layer,) = one.compare(other).layers
        assert layer.overlap == pytest.approx(layer.by_chance, abs=0.03)

    def test_what_cannot_be_compared(self):
        with pytest.raises(
            ValueError, match=r"weight 0 has shape \(3,\) in the ticket and \(4,\) in the other"
        ):
            Ticket((np.ones(3, bool),), ("a",)).compare(Ticket((np.ones(4, bool),), ("a",)))
        with pytest.raises(TypeError, match=r"compared with a Ticket. Received: str"):
            example().compare("ticket.npz")


class TestRoundTrip:
    @pytest.mark.slow
    @given(ticket=tickets())
    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_gives_the_same_ticket_bit_for_bit(self, ticket, tmp_path):
        path = tmp_path / "ticket.npz"
        ticket.save(path, overwrite=True)
        assert_equal(Ticket.load(path), ticket)

    @pytest.mark.slow
    def test_of_a_drawn_ticket(self, tmp_path):
        ticket = tt.prune(nets.convolutional(), "random", 0.9, seed=np.int32(4))
        ticket.save(str(tmp_path / "t"))
        assert_equal(Ticket.load(str(tmp_path / "t")), ticket)

    def test_the_file_is_plain_npz_without_pickle(self, saved):
        with np.load(saved, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            assert sorted(file.files) == ["header", "mask_0000", "mask_0001", "mask_0002"]
            assert [file[f"mask_000{i}"].nbytes for i in range(3)] == [9, 2, 7]
        assert header["format"] == FORMAT and header["version"] == FORMAT_VERSION
        assert header["sha256"] == masks_sha256(example().masks)

    def test_the_same_ticket_gives_the_same_bytes(self, saved, tmp_path):
        example().save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == saved.read_bytes()

    def test_the_name_is_taken_as_it_is(self, tmp_path):
        example().save(tmp_path / "ticket")
        assert [path.name for path in tmp_path.iterdir()] == ["ticket"]

    @pytest.mark.slow
    def test_vgg19_is_small_and_fast(self, tmp_path):
        rng = np.random.default_rng(0)
        ticket = Ticket(tuple(rng.random((3, 3, 512, 512)) < 0.02 for _ in range(8)), tuple("abcdefgh"))
        ticket.save(tmp_path / "ticket")
        assert (tmp_path / "ticket").stat().st_size < ticket.total / 8
        assert_equal(Ticket.load(tmp_path / "ticket"), ticket)


class TestSaving:
    def test_does_not_overwrite(self, saved):
        before = saved.read_bytes()
        with pytest.raises(FileExistsError, match=r"ticket.npz exists. Pass overwrite=True"):
            example(1).save(saved)
        assert saved.read_bytes() == before

    def test_unless_told_to(self, saved):
        example(1).save(saved, overwrite=True)
        assert_equal(Ticket.load(saved), example(1))

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_never_replaces_a_directory(self, tmp_path, overwrite):
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "thesis.tex").write_text("years")
        with pytest.raises(IsADirectoryError, match="precious is a directory"):
            example().save(tmp_path / "precious", overwrite=overwrite)
        assert (tmp_path / "precious" / "thesis.tex").read_text() == "years"

    @pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), MemoryError()])
    @pytest.mark.parametrize("there_before", [True, False])
    def test_interrupted_in_the_middle_it_leaves_what_was_there(
        self, tmp_path, monkeypatch, error, there_before
    ):
        path = tmp_path / "ticket.npz"
        if there_before:
            example().save(path)

        def halfway(file, **arrays):
            file.write(b"PK half of it")
            raise error

        monkeypatch.setattr(np, "savez_compressed", halfway)
        with pytest.raises(type(error)):
            example(1).save(path, overwrite=True)
        assert [found.name for found in tmp_path.iterdir()] == ["ticket.npz"] * there_before
        if there_before:
            assert_equal(Ticket.load(path), example())

    def test_an_origin_that_json_cannot_hold_leaves_what_was_there(self, saved):
        with pytest.raises(TypeError):
            dataclasses.replace(example(1), origin={"score": np.sin}).save(saved, overwrite=True)
        assert_equal(Ticket.load(saved), example())


def npy(shape, dtype="|u1", data=b""):
    """Bytes of an .npy file that says it holds an array of this shape."""
    buffer = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + data


def refused(path, message=""):
    with pytest.raises(ValueError, match=f"is not a readable ticket: .*{message}") as caught:
        Ticket.load(path)
    assert str(path) in str(caught.value)


class TestDamagedFiles:
    """One error for whatever is wrong: a ValueError that names the file."""

    @pytest.mark.slow
    @given(data=st.data())
    @settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_flipped_bit_is_noticed_or_harmless(self, data, saved):
        content = bytearray(saved.read_bytes())
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= 1 << data.draw(st.integers(0, 7))
        damaged = saved.with_name("damaged")
        damaged.write_bytes(content)
        try:
            ticket = Ticket.load(damaged)
        except ValueError as error:
            assert f"{damaged} is not a readable ticket" in str(error)
        else:
            assert_equal(ticket, example())

    @pytest.mark.slow
    @given(data=st.data())
    @settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_so_are_many_bytes_overwritten(self, data, saved):
        content = bytearray(saved.read_bytes())
        noise = data.draw(st.binary(min_size=1, max_size=40))
        position = data.draw(st.integers(0, len(content) - len(noise)))
        content[position : position + len(noise)] = noise
        damaged = saved.with_name("damaged")
        damaged.write_bytes(content)
        try:
            ticket = Ticket.load(damaged)
        except ValueError as error:
            assert f"{damaged} is not a readable ticket" in str(error)
        else:
            assert_equal(ticket, example())

    def test_truncated_anywhere(self, saved):
        content = saved.read_bytes()
        for length in range(0, len(content), 7):
            saved.write_bytes(content[:length])
            refused(saved)

    @pytest.mark.parametrize(
        "content", [b"", b"\n", b"a ticket\n", b"PK\x03\x04", bytes(1000), b'{"format": "tf_tickets.ticket"}']
    )
    def test_no_archive_at_all(self, tmp_path, content):
        (tmp_path / "file").write_bytes(content)
        refused(tmp_path / "file")

    def test_arrays_and_pickles(self, tmp_path):
        np.save(tmp_path / "array.npy", np.ones(3))
        refused(tmp_path / "array.npy")
        (tmp_path / "pickle").write_bytes(pickle.dumps({"header": "x"}))
        refused(tmp_path / "pickle")

    def test_an_npz_of_something_else(self, tmp_path):
        np.savez(tmp_path / "other.npz", weights=np.ones(3))
        refused(tmp_path / "other.npz", "header")

    def test_a_pickled_header_is_not_unpickled(self, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (pytest.fail, ("unpickled",))

        np.savez(tmp_path / "bomb.npz", header=np.array(Bomb(), dtype=object))
        refused(tmp_path / "bomb.npz")

    def test_a_zip_of_something_else(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "file.zip", "w") as archive:
            archive.writestr("header.npy", "not an array")
        refused(tmp_path / "file.zip")

    def test_a_newer_version(self, saved):
        refused(
            with_header(saved, {"version": FORMAT_VERSION + 1}),
            "format version 2; this release reads up to 1",
        )

    @pytest.mark.parametrize(
        "header",
        [
            {"format": "something.else"},
            {"version": "1"},
            {"version": None},
            {"shapes": [[3, 3, 2, 4]]},
            {"shapes": [[72], [9], [17, 3]]},
            {"shapes": [[3, 3, 2, 4], [9], [3, 17]]},
            {"shapes": [[3, 3, 2, 4], [10], [17, 3]]},
            {"shapes": [[3, 3, 2, 4], [-9], [17, 3]]},
            {"shapes": [[3, 3, 2, 4], [9.0], [17, 3]]},
            {"shapes": [[3, 3, 2, 4], 9, [17, 3]]},
            {"shapes": None},
            {"shapes": []},
            {"names": ["a", "b"]},
            {"names": 3},
            {"notes": 3},
            {"sha256": "0" * 64},
        ],
    )
    def test_a_header_that_does_not_fit(self, saved, header):
        refused(with_header(saved, header))

    @pytest.mark.parametrize("header", ["", "[]", "3", "null", "[" * 100_000, '{"format"'])
    def test_a_header_that_is_none(self, saved, header):
        refused(with_arrays(saved, header=np.array(header)))

    @pytest.mark.parametrize(
        "mask",
        [
            np.zeros(3, np.uint8),
            np.zeros(2, np.int16),
            np.zeros(2, np.float64),
            np.zeros((1, 2), np.uint8),
            np.array("ab"),
        ],
    )
    def test_a_mask_that_does_not_fit(self, saved, mask):
        refused(with_arrays(saved, mask_0001=mask))

    def test_a_missing_mask(self, saved):
        with np.load(saved) as file:
            content = dict(file)
        del content["mask_0002"]
        np.savez_compressed(saved, **content)
        refused(saved, "mask_0002")

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"No ticket at .*nowhere.npz"):
            Ticket.load(tmp_path / "nowhere.npz")

    def test_a_directory(self, tmp_path):
        refused(tmp_path)


class TestFilesThatClaimTooMuch:
    """What a file says of its size is not believed before memory is allocated for it."""

    def refused_in_little_memory(self, path):
        tracemalloc.start()
        refused(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 20_000_000

    @pytest.mark.parametrize("shape", [(10**10,), (10**15,), (10**6, 10**6), (2**40, 2**40)])
    def test_an_array(self, saved, shape):
        with zipfile.ZipFile(saved, "a") as archive:
            archive.writestr("mask_0003.npy", npy(shape, data=b"few"))
        with_header(saved, {"shapes": [[3, 3, 2, 4], [9], [17, 3], list(shape)], "names": list("abcd")})
        self.refused_in_little_memory(saved)

    def test_an_array_of_long_texts(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "file", "w") as archive:
            archive.writestr("header.npy", npy((), dtype="<U1000000000"))
        self.refused_in_little_memory(tmp_path / "file")

    @pytest.mark.parametrize("shape", [[10**10], [10**15], [10**6, 10**6], [2**40, 2**40], [2**32, 2**32]])
    def test_a_shape_in_the_header(self, saved, shape):
        with_header(saved, {"shapes": [[3, 3, 2, 4], shape, [17, 3]]})
        self.refused_in_little_memory(saved)

    def test_the_archive_itself(self, tmp_path):
        claimed = 2**31
        prefix = npy((claimed - len(npy((claimed,))),))
        with zipfile.ZipFile(tmp_path / "file", "w") as archive:
            archive.writestr("header.npy", prefix)
        content = bytearray((tmp_path / "file").read_bytes())
        directory = content.index(b"PK\x01\x02")
        struct.pack_into("<I", content, directory + 24, claimed)
        (tmp_path / "file").write_bytes(content)
        self.refused_in_little_memory(tmp_path / "file")


class TestApplying:
    @pytest.mark.slow
    def test_on_another_model_of_the_same_shapes(self):
        ticket = tt.prune(nets.convolutional(), "random", 0.8)
        model = nets.convolutional(seed=7)
        before = nets.values(model)
        assert ticket.apply(model) is model
        assert_same(nets.masks(model), list(ticket.masks))
        assert_same(nets.values(model), before)
        assert all(isinstance(entry.layer, Masked) for entry in tt.masked_weights(model))

    @pytest.mark.slow
    def test_on_a_sequential_model(self):
        ticket = tt.prune(nets.functional(), "random", 0.8)
        assert_same(nets.masks(ticket.apply(nets.sequential())), list(ticket.masks))

    @pytest.mark.slow
    def test_on_a_masked_model_it_replaces_the_masks(self):
        model = nets.functional()
        tt.prune(model, "random", 0.9, seed=1)
        ticket = tt.prune(nets.functional(), "random", 0.5, seed=2)
        assert_same(nets.masks(ticket.apply(model)), list(ticket.masks))

    @pytest.mark.slow
    def test_from_a_file(self, tmp_path):
        model = nets.functional()
        ticket = tt.prune(model, "hybrid", 0.7)
        ticket.save(tmp_path / "ticket")
        again = Ticket.load(tmp_path / "ticket").apply(nets.functional())
        x = np.random.default_rng(0).normal(size=(5, 6))
        np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))

    @pytest.mark.slow
    def test_on_the_layers_that_a_masked_model_has_chosen(self):
        def chosen():
            model = nets.functional()
            tt.mask_layers(model, exclude=model.layers[-1])
            return model

        ticket = tt.prune(chosen(), "random", 0.5)
        assert [mask.shape for mask in ticket.masks] == [(6, 8), (8, 5)]
        model = ticket.apply(chosen())
        assert_same(nets.masks(model), list(ticket.masks))
        assert not isinstance(model.layers[-1], Masked)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("sizes", "message"),
        [
            ((6, 8, 5, 4), r"weight 2 has shape \(5, 3\) in the ticket and \(5, 4\) in the model"),
            ((6, 9, 5, 3), r"weight 0 has shape \(6, 8\) in the ticket and \(6, 9\) in the model"),
            ((6, 8, 5), r"3 masks in the ticket, 2 prunable weights in the model"),
            ((6, 8, 5, 3, 2), r"3 masks in the ticket, 4 prunable weights in the model"),
        ],
    )
    def test_other_shapes_are_refused_and_the_model_is_unchanged(self, sizes, message):
        ticket = tt.prune(nets.functional(), "random", 0.5)
        fresh, masked = nets.functional(sizes), nets.functional(sizes)
        tt.prune(masked, "random", 0.5)
        for model in (fresh, masked):
            before = nets.state(model)
            with pytest.raises(ValueError, match=f"The ticket is for another model: {message}"):
                ticket.apply(model)
            assert_same(nets.state(model), before)

    @pytest.mark.parametrize("model", ["resnet32", None, np.ones(3)])
    def test_what_is_no_model(self, model):
        with pytest.raises(TypeError, match=r"applies to a keras.Model. Received: "):
            example().apply(model)


def with_arrays(path, **arrays):
    """The ticket file with some arrays replaced."""
    with np.load(path) as file:
        content = dict(file)
    np.savez_compressed(path, **{**content, **arrays})
    return path


def with_header(path, changes):
    """The ticket file with some entries of its header replaced, and the rest as it is, whatever it claims."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(str(np.load(io.BytesIO(members["header.npy"]))))
    buffer = io.BytesIO()
    np.save(buffer, np.array(json.dumps({**header, **changes})))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "header.npy": buffer.getvalue()}.items():
            archive.writestr(name, content)
    return path
