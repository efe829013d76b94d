"""Weights on a path from an input to an output, against a search through the graph, unit by unit."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.pruning.nets import assert_same, state
from tf_tickets.layers import computing_in, example_inputs, prunable_weights
from tf_tickets.layers.masked_weight import entry_of
from tf_tickets.pruning import paths
from tf_tickets.pruning import ticket as ticket_module
from tf_tickets.pruning.paths import on_path

layers = keras.layers
DENSITIES = [0.2]


class Graph:
    """Units and the kept weights between them; a layer's method gives the units that it makes."""

    def __init__(self, masks):
        self.masks = masks
        self.edges = []
        self.size = 0

    def units(self, *shape):
        first, self.size = self.size, self.size + int(np.prod(shape))
        return np.arange(first, self.size).reshape(shape)

    def connect(self, sources, targets, weight=None):
        self.edges += [
            (int(a), int(b), weight) for a, b in zip(np.ravel(sources), np.ravel(targets), strict=True)
        ]

    def dense(self, x, key):
        out = self.units(*x.shape[:-1], self.masks[key].shape[1])
        for place in np.ndindex(x.shape[:-1]):
            for i, o in zip(*np.nonzero(self.masks[key]), strict=True):
                self.connect(x[(*place, i)], out[(*place, o)], (key, (i, o)))
        return out

    def conv(self, x, key, stride=1, same=False, groups=1, depthwise=False):
        mask = self.masks[key]
        size = mask.shape[0]
        if same:
            total = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[:2]]
            before = [t // 2 for t in total]
            shape = [-(-n // stride) for n in x.shape[:2]]
        else:
            before, shape = [0, 0], [(n - size) // stride + 1 for n in x.shape[:2]]
        filters = mask.shape[2] * mask.shape[3] if depthwise else mask.shape[3]
        out = self.units(*shape, filters)
        for place in zip(*np.nonzero(mask), strict=True):
            r, c, i, o = place
            source, target = i, o
            if depthwise:
                target = i * mask.shape[3] + o
            elif groups > 1:
                source = o // (mask.shape[3] // groups) * mask.shape[2] + i
            for y, z in np.ndindex(*shape):
                row, column = y * stride + r - before[0], z * stride + c - before[1]
                if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
                    self.connect(x[row, column, source], out[y, z, target], (key, place))
        return out

    def add(self, *xs):
        out = self.units(*xs[0].shape)
        for x in xs:
            self.connect(x, out)
        return out

    def pool(self, x, size):
        shape = (x.shape[0] // size, x.shape[1] // size, x.shape[2])
        out = self.units(*shape)
        for y, z, c in np.ndindex(*shape):
            for source in x[y * size : (y + 1) * size, z * size : (z + 1) * size, c].ravel():
                self.connect(source, out[y, z, c])
        return out

    def mean(self, x):
        out = self.units(x.shape[-1])
        for place in np.ndindex(x.shape[:-1]):
            self.connect(x[place], out)
        return out

    def on_path(self, inputs, outputs):
        forward, backward = [[] for _ in range(self.size)], [[] for _ in range(self.size)]
        for a, b, _ in self.edges:
            forward[a].append(b)
            backward[b].append(a)
        fed, used = reached(inputs, forward), reached(outputs, backward)
        found = [np.zeros(mask.shape, bool) for mask in self.masks]
        for a, b, weight in self.edges:
            if weight is not None and a in fed and b in used:
                found[weight[0]][weight[1]] = True
        return found


def reached(starts, neighbours):
    seen = {int(unit) for start in starts for unit in np.ravel(start)}
    waiting = list(seen)
    while waiting:
        for unit in neighbours[waiting.pop()]:
            if unit not in seen:
                seen.add(unit)
                waiting.append(unit)
    return seen


def conv(filters, size, **arguments):
    return layers.Conv2D(filters, size, use_bias=False, **arguments)


def mlp():
    inputs = keras.Input((6,))
    x = layers.Dense(8, "relu")(inputs)
    x = layers.Dense(7, "gelu")(x)
    return keras.Model(inputs, layers.Dense(4, "softmax")(x))


def search_mlp(graph):
    x = graph.units(6)
    return [x], [graph.dense(graph.dense(graph.dense(x, 0), 1), 2)]


def residual():
    """The second convolution halves the image, and so does the one on the shortcut."""
    inputs = keras.Input((5, 5, 2))
    x = conv(3, 3)(inputs)
    x = shortcut = layers.ReLU()(tt.layers.BatchNormalization()(x))
    x = layers.ReLU()(layers.BatchNormalization()(conv(4, 3, strides=2, padding="same")(x)))
    x = layers.BatchNormalization()(conv(4, 2, padding="same")(x))
    x = layers.Add()([conv(4, 1, strides=2)(shortcut), x])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(inputs, layers.Dense(3)(x))


def search_residual(graph):
    inputs = graph.units(5, 5, 2)
    shortcut = graph.conv(inputs, 0)
    x = graph.conv(graph.conv(shortcut, 1, stride=2, same=True), 2, same=True)
    x = graph.add(graph.conv(shortcut, 3, stride=2), x)
    return [inputs], [graph.dense(graph.mean(x), 4)]


def mobile():
    """An inverted bottleneck, whose relu6 saturate at six; all of its kernels are pruned."""
    inputs = keras.Input((4, 4, 2))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(conv(6, 1)(inputs)))
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = layers.Add()([inputs, layers.BatchNormalization()(conv(2, 1)(x))])
    x = layers.SeparableConv2D(4, 2, activation="silu")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalMaxPooling2D()(x)))


def search_mobile(graph):
    inputs = graph.units(4, 4, 2)
    x = graph.conv(graph.conv(inputs, 0), 1, same=True, depthwise=True)
    x = graph.add(inputs, graph.conv(x, 2))
    x = graph.conv(graph.conv(x, 3, depthwise=True), 4)
    return [inputs], [graph.dense(graph.mean(x), 5)]


def pooled():
    """Convolutions in groups, and so many maxima that most units are no maximum."""
    inputs = keras.Input((8, 8, 4))
    x = conv(6, 3, padding="same", groups=2)(inputs)
    x = layers.MaxPooling2D(2)(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(2)(conv(6, 3, padding="same", activation="relu", groups=6)(x))
    x = layers.MaxPooling2D(2)(conv(5, 3, padding="same", activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def search_pooled(graph):
    inputs = graph.units(8, 8, 4)
    x = graph.pool(graph.conv(inputs, 0, same=True, groups=2), 2)
    x = graph.pool(graph.conv(x, 1, same=True, groups=6), 2)
    x = graph.pool(graph.conv(x, 2, same=True), 2)
    return [inputs], [graph.dense(x.ravel(), 3)]


def shared():
    inputs = keras.Input((5,))
    twice = layers.Dense(5, "relu")
    return keras.Model(inputs, layers.Dense(3)(twice(twice(inputs))))


def search_shared(graph):
    inputs = graph.units(5)
    return [inputs], [graph.dense(graph.dense(graph.dense(inputs, 0), 0), 1)]


def several():
    """Two inputs, of which one meets the other late, and two outputs, of which one leaves early."""
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    x = layers.Dense(6, "relu")(a)
    early = layers.Dense(2, "sigmoid")(x)
    y = layers.Maximum()([layers.Dense(5, "tanh")(x), layers.Dense(5, "tanh")(b)])
    return keras.Model({"a": a, "b": b}, {"early": early, "late": layers.Dense(1)(y)})


def search_several(graph):
    a, b = graph.units(4), graph.units(3)
    x = graph.dense(a, 0)
    y = graph.add(graph.dense(x, 1), graph.dense(b, 2))
    return [a, b], [graph.dense(y, 3), graph.dense(x, 4)]


def subclassed():
    model = nets.Backwards()
    model(np.zeros((1, 6), "float32"))
    return model


def search_subclassed(graph):
    x = inputs = graph.units(6)
    for key in range(4):
        x = graph.dense(x, key)
    return [inputs], [x]


SEARCHES = {
    "mlp": (mlp, search_mlp),
    "residual": (residual, search_residual),
    "mobile": (mobile, search_mobile),
    "pooled": (pooled, search_pooled),
    "shared": (shared, search_shared),
    "several": (several, search_several),
    "subclassed": (subclassed, search_subclassed),
}


def all_weights(model):
    """Every weight that can be pruned, in forward order, those on request too."""
    return tt.mask_layers(model, include=lambda layer: True).masked


def drawn(entries, density, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random(entry.shape) < density for entry in entries]


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_finds_what_a_search_finds(name):
    make, search = SEARCHES[name]
    model = make()
    entries = all_weights(model)
    for seed, density in enumerate([*DENSITIES, 1.0]):
        masks = drawn(entries, density, seed)
        graph = Graph(masks)
        expected = graph.on_path(*search(graph))
        assert_same(on_path(model, entries, masks), expected)
    assert sum(int(mask.sum()) for mask in expected) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "name"), [("float64", "mlp"), ("mixed_float16", "residual"), ("mixed_bfloat16", "shared")]
)
def test_in_every_precision(policy, name):
    make, search = SEARCHES[name]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = make()
    finally:
        keras.config.set_dtype_policy(before)
    entries = prunable_weights(model)
    masks = drawn(entries, 0.2)
    graph = Graph(masks)
    assert_same(on_path(model, entries, masks), graph.on_path(*search(graph)))


@pytest.mark.slow
def test_a_dead_branch_is_dead_and_the_other_is_not():
    model = residual()
    entries = prunable_weights(model)
    masks = [np.ones(entry.shape, bool) for entry in entries]
    masks[1][:] = False
    found = on_path(model, entries, masks)
    assert [mask.all() for mask in found] == [True, False, False, True, True]
    assert not found[1].any() and not found[2].any()
    masks[3][:] = False
    assert not any(mask.any() for mask in on_path(model, entries, masks))


def test_a_sigmoid_counts_as_an_input():
    inputs = keras.Input((3,))
    x = layers.Dense(4, "sigmoid")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(x))
    entries = prunable_weights(model)
    masks = [np.zeros((3, 4), bool), np.ones((4, 2), bool)]
    assert [mask.all() for mask in on_path(model, entries, masks)] == [False, True]


class TestTransformer:
    HEADS, KEYS, WIDTH = 2, 3, 4

    def build(self):
        """Its masks are made for each test."""
        model, entries = self.built()
        return model, entries, {name: np.ones(entry.shape, bool) for name, entry in entries.items()}

    @classmethod
    @functools.cache
    def built(self):
        tokens = keras.Input((5,), dtype="int32")
        x = layers.Embedding(20, self.WIDTH, mask_zero=True)(tokens)
        y = layers.MultiHeadAttention(self.HEADS, self.KEYS)(layers.LayerNormalization()(x), x)
        x = layers.Add()([x, y])
        y = layers.Dense(6, "gelu")(layers.LayerNormalization()(x))
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(self.WIDTH)(y)]))
        model = keras.Model(tokens, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(x)))
        entries = {entry.name.split("/")[-2]: entry for entry in all_weights(model)}
        return model, entries

    def found(self, model, entries, masks):
        return dict(zip(entries, on_path(model, list(entries.values()), list(masks.values())), strict=True))

    @pytest.mark.slow
    def test_everything_of_the_dense_one_is_on_a_path(self):
        model, entries, masks = self.build()
        assert {name for name in entries if name in ("query", "key", "value", "attention_output")}
        assert all(mask.all() for mask in self.found(model, entries, masks).values())

    @pytest.mark.slow
    def test_a_head_without_values_is_dead(self):
        model, entries, masks = self.build()
        masks["value"][:, 0] = False
        found = self.found(model, entries, masks)
        for name in ("query", "key", "value"):
            assert not found[name][:, 0].any() and found[name][:, 1].all()
        assert not found["attention_output"][0].any() and found["attention_output"][1].all()

    @pytest.mark.slow
    def test_a_query_asks_for_nothing_without_its_key(self):
        model, entries, masks = self.build()
        masks["key"][:, 1, 2] = False
        found = self.found(model, entries, masks)
        dead = np.zeros((self.HEADS, self.KEYS), bool)
        dead[1, 2] = True
        assert not found["query"][:, dead].any() and found["query"][:, ~dead].all()
        assert found["value"].all()

    @pytest.mark.slow
    def test_a_dead_output_leaves_the_residual_stream(self):
        model, entries, masks = self.build()
        masks["attention_output"][:] = False
        found = self.found(model, entries, masks)
        alive = {name for name, mask in found.items() if mask.all()}
        assert set(entries) - alive == {"query", "key", "value", "attention_output"}

    @pytest.mark.slow
    def test_rows_of_an_embedding_are_inputs(self):
        model, entries, masks = self.build()
        (table,) = (name for name in entries if name.startswith("embedding"))
        masks[table][7] = False
        masks[table][:, 0] = False
        assert_same(self.found(model, entries, masks)[table], masks[table])


# Layer normalisation, by the mean it takes off, mixes channels. Here it only scales.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in nets.NETS if name != "attention"])
def test_what_is_off_path_can_be_removed_for_nothing(name):
    model = nets.hide(nets.build(name), keep=0.25)
    for variable in model.trainable_variables:
        if variable.name in ("bias", "beta"):
            variable.assign(np.zeros(variable.shape))
    entries = tt.masked_weights(model)
    x, _ = nets.inputs_of(model)
    before = nets.outputs(model, x)
    found = on_path(model, entries, [keras.ops.convert_to_numpy(entry.mask) for entry in entries])
    removed = 0
    for entry, mask in zip(entries, found, strict=True):
        removed += np.count_nonzero(keras.ops.convert_to_numpy(entry.mask) & ~mask)
        entry.mask.assign(mask)
    assert removed > 0
    np.testing.assert_allclose(nets.outputs(model, x), before, rtol=1e-5, atol=1e-6)


class TestAnyModel:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "activation", [tf.nn.relu6, keras.activations.hard_tanh, lambda x: keras.ops.relu(x) ** 2]
    )
    def test_activations_that_saturate(self, activation):
        inputs = keras.Input((4,))
        x = layers.Dense(5, activation)(inputs)
        for _ in range(6):
            x = layers.Add()([x, layers.Dense(5, activation)(x)])
        model = keras.Model(inputs, layers.Dense(2)(x))
        self.all_on_path(model)

    def test_inputs_that_are_shifted(self):
        inputs = keras.Input((4,))
        x = layers.Dense(5)(inputs / 127.5 - 1.0)
        x = keras.ops.relu(x)
        self.all_on_path(keras.Model(inputs, layers.Dense(2)(x)))

    def test_images_of_integers(self):
        inputs = keras.Input((6, 6, 3), dtype="uint8")
        x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
        self.all_on_path(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x))))

    def test_inputs_of_open_size(self):
        inputs = keras.Input((None, None, 3))
        x = inputs
        for _ in range(5):
            x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
        x = layers.Conv2D(4, 3, padding="same")(x)
        self.all_on_path(keras.Model(inputs, layers.Dense(2)(layers.GlobalMaxPooling2D()(x))))

    @pytest.mark.slow
    def test_batches_of_one_size(self):
        inputs = keras.Input(batch_shape=(3, 7, 4))
        x = layers.LSTM(5, stateful=True)(inputs)
        self.all_on_path(keras.Model(inputs, layers.Dense(2)(x)))

    @pytest.mark.slow
    def test_more_paths_than_float32_can_count(self):
        model = keras.Sequential([keras.Input((200,)), *(layers.Dense(200, "relu") for _ in range(20))])
        self.all_on_path(model)

    def test_a_call_that_insists_on_float32(self):
        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = layers.Dense(3)

            def call(self, x):
                return self.dense(x) * tf.constant(2.0)

        model = Own()
        model(np.zeros((1, 4), "float32"))
        with pytest.raises(tf.errors.InvalidArgumentError), computing_in(model, "float64"):
            model(np.zeros((1, 4)))
        self.all_on_path(model)

    def test_a_scale_that_starts_at_zero(self):
        class Gate(keras.Layer):
            def build(self, shape):
                self.gate = self.add_weight(initializer="zeros", name="gate")

            def call(self, x):
                return x * self.gate

        inputs = keras.Input((4,))
        self.all_on_path(keras.Model(inputs, Gate()(layers.Dense(3)(inputs))))

    def test_inputs_in_a_structure(self):
        class Pair(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = layers.Dense(3)

            def call(self, pair):
                return {"sum": self.dense(pair[0]) + pair[1], "largest": tf.argmax(pair[1], -1)}

        model = Pair()
        model((np.zeros((1, 4), "float32"), np.zeros((1, 3), "float32")))
        self.all_on_path(model)

    def test_a_model_that_does_not_know_its_inputs(self):
        class Open(keras.Model):
            def build(self, input_shape=None):
                self.dense = layers.Dense(3)
                self.dense.build((None, 4))

            def call(self, x):
                return self.dense(x)

        model = Open()
        model.build()
        entry = entry_of(model.dense, "_kernel")
        assert on_path(model, [entry], [np.ones((4, 3), bool)]) is None
        entries = prunable_weights(model, data=np.zeros((1, 4), "float32"))
        (found,) = on_path(model, entries, [np.ones((4, 3), bool)])
        assert found.all()

    @pytest.mark.slow
    @pytest.mark.parametrize("tied", [True, False])
    def test_an_embedding_that_is_the_classifier_too(self, tied):
        inputs = keras.Input((5,), dtype="int32")
        table = layers.ReversibleEmbedding(7, 4, tie_weights=tied)
        self.all_on_path(keras.Model(inputs, table(layers.Dense(4)(table(inputs)), reverse=True)))

    def test_a_call_that_fails(self):
        class Failing(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = layers.Dense(3)

            def call(self, x):
                if tf.executing_eagerly() and tf.reduce_sum(x) > 0:
                    raise RuntimeError("only zeros, please")
                return self.dense(x)

        model = Failing()
        model(np.zeros((1, 4), "float32"))
        entries = prunable_weights(model)
        assert on_path(model, entries, [np.ones((4, 3), bool)]) is None

    def test_masks_of_another_model(self):
        model = mlp()
        with pytest.raises(ValueError, match=r"shapes \[\(2, 2\)\]"):
            on_path(model, prunable_weights(model), [np.ones((2, 2), bool)])

    def all_on_path(self, model):
        entries = prunable_weights(model)
        masks = [np.ones(entry.shape, bool) for entry in entries]
        assert_same(on_path(model, entries, masks), masks)


class TestNoTrace:
    @pytest.mark.slow
    def test_weights_masks_seeds_statistics_losses_and_layers(self):
        inputs = keras.Input((6, 6, 2))
        x = layers.Conv2D(4, 3, activation="relu", activity_regularizer="l2")(
            layers.GaussianNoise(0.1, seed=1)(inputs)
        )
        x = layers.MaxPooling2D()(layers.Dropout(0.5, seed=2)(tt.layers.BatchNormalization()(x)))
        model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
        nets.compiled(nets.hide(model))
        images, labels = nets.inputs_of(model)
        model.fit(images, labels, epochs=1, verbose=0)
        model(images)

        def everything():
            return {
                **state(model),
                "variables": [keras.ops.convert_to_numpy(v) for v in model.variables],
                "losses": [np.array(loss) for loss in model.losses],
                "attributes": [dict(layer.__dict__) for layer in model._flatten_layers()],
                "dtypes": [tensor.dtype for tensor in model.inputs],
                "eager": tf.config.functions_run_eagerly(),
            }

        def plain(found):
            # Attributes by identity: variables would be compared by value.
            return {**found, "attributes": [{k: id(v) for k, v in x.items()} for x in found["attributes"]]}

        entries = tt.masked_weights(model)
        before = everything()
        on_path(model, entries, [~keras.ops.convert_to_numpy(entry.mask) for entry in entries])
        assert_same(plain(everything()), plain(before))

    @pytest.mark.slow
    def test_a_function_of_the_users_own_keeps_no_trace(self):
        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = layers.Dense(3)

            @tf.function
            def head(self, x):
                return self.dense(x)

            def call(self, x):
                return self.head(x)

        model = Own()
        model(np.zeros((1, 4), "float32"))
        entries = prunable_weights(model)
        x = np.ones((2, 4), "float32")
        before = np.array(model(x))
        found = on_path(model, entries, [np.eye(4, 3, dtype=bool)])
        assert_same(found, [np.eye(4, 3, dtype=bool)])
        assert_same(np.array(model(x)), before)

    @pytest.mark.slow
    def test_masks_of_the_model_do_not_matter(self):
        model = mlp()
        entries = prunable_weights(model)
        masks = drawn(entries, 0.3)
        expected = on_path(model, entries, masks)
        assert_same(on_path(nets.hide(model), tt.masked_weights(model), masks), expected)


def test_example_inputs_take_the_sizes_that_a_model_has():
    inputs = keras.Input(batch_shape=(3, None, 4)), keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, [layers.Dense(2)(inputs[0]), inputs[1]])
    (found,), _ = example_inputs(model, tf.ones, batch_size=2, open_length=7)
    assert [(tuple(x.shape), x.dtype) for x in found] == [((3, 7, 4), "float32"), ((2, 7), "int32")]


class TestLargeNetworks:
    """Paths of more than MOST_PATHS weights are counted only where somebody asks for them."""

    def test_are_not_counted_by_the_way_and_that_is_said(self, monkeypatch):
        monkeypatch.setattr(paths, "MOST_PATHS", 100)
        monkeypatch.setattr(ticket_module, "MOST_PATHS", 100)
        model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(10), keras.layers.Dense(5)])
        ticket = tt.prune(model, "magnitude", 0.5)
        assert ticket.on_path is None and ticket.effective_sparsity is None
        assert "effective sparsity not counted (of more than 100 weights only" in ticket.summary()
        assert sum(paths.path_counts(model, ticket.masks)) > 0

    def test_of_the_papers_are_counted(self):
        assert paths.MOST_PATHS > 42_500_000  # ResNet101, and so ResNet50 and VGG19 of 32x32 images
