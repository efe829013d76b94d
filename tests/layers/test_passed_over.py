"""What prune passes over is said: by a warning, by the ticket's notes, or not, where it was asked for."""

import warnings

import keras
import pytest

import tf_tickets as tt

L = keras.layers


class Table(L.Layer):
    """A layer of a user's own that nobody has registered."""

    def __init__(self, rows, **options):
        super().__init__(**options)
        self.rows = rows

    def build(self, shape):
        self.bias_table = self.add_weight(shape=(50, 50), name="bias_table")
        self.table = self.add_weight(shape=(shape[-1], self.rows), name="table")

    def call(self, x):
        return keras.ops.matmul(x, self.table) + self.bias_table[0, 0]


def with_table(rows):
    return keras.Sequential(
        [keras.Input((10,)), Table(rows, name="mine"), L.Dense(100, use_bias=False)], name="net"
    )


class TestPrune:
    def test_warns_of_layers_that_cannot_be_masked_with_their_share(self):
        model = with_table(20)
        words = (
            r"4.3% of all parameters lie in layers that cannot be masked: "
            r"net/mine \(Table is no maskable class; 4.3%\).*register_maskable.*exclude="
        )
        with pytest.warns(UserWarning, match=words):
            ticket = tt.prune(model, "magnitude", 0.5)
        assert (
            "note: 4.3% of all parameters lie in layers that cannot be masked: net/mine (" in ticket.summary()
        )

    @pytest.mark.parametrize("rows", [1, 2])
    def test_says_nothing_of_a_hundredth_of_all_parameters_and_less(self, rows):
        assert tt.prune(with_table(rows), "magnitude", 0.5).notes == ()

    @pytest.mark.slow
    def test_nor_of_what_the_user_left_out(self):
        for choice in ({"exclude": Table}, {"include": L.Dense}, {"exclude": "mine"}):
            model = with_table(20)
            tt.mask_layers(model, **choice)
            assert tt.prune(model, "magnitude", 0.5).notes == ()

    def test_notes_what_is_left_alone_by_design_and_does_not_warn(self):
        model = keras.Sequential(
            [
                keras.Input((6,), dtype="int32"),
                L.Embedding(20, 8, name="rows"),
                L.SeparableConv1D(4, 3),
                L.Dense(2),
            ],
            name="net",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ticket = tt.prune(model, "magnitude", 0.5)
        assert (
            "note: 80.0% of all parameters are depthwise kernels, embeddings or other weights that are "
            "pruned only where include= names them: net/rows/embeddings, net/"
        ) in ticket.summary()

    def test_warns_of_adapters(self):
        model = keras.Sequential([keras.Input((10,)), L.Dense(10), L.Dense(10)])
        model.layers[0].enable_lora(1)
        with pytest.warns(UserWarning, match=r"dense\S* \(LoRA is enabled; "):
            tt.prune(model, "magnitude", 0.5)

    def test_says_why_there_is_nothing_to_prune(self):
        model = keras.Sequential([keras.Input((10,)), L.Dense(10, name="adapted")])
        model.layers[0].enable_lora(1)
        with pytest.raises(
            ValueError, match=r"nothing to prune: .*adapted: LoRA is enabled\. model.save_weights"
        ):
            tt.prune(model, "magnitude", 0.5)

    @pytest.mark.slow
    def test_does_not_warn_of_biases_normalisation_and_recurrent_layers(self):
        model = keras.Sequential(
            [keras.Input((5, 4)), L.GRU(6), L.LayerNormalization(), L.Dense(3), L.BatchNormalization()]
        )
        assert tt.prune(model, "magnitude", 0.5).notes == ()
