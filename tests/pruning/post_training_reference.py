"""Wanda and SparseGPT in plain NumPy, from the papers' formulas and not from the package; makes the fixture.

    python tests/pruning/post_training_reference.py

writes tests/fixtures/post_training.npz. Everything is in float64 and in the papers' layout: a layer has
weights W `(outputs, inputs)` and inputs X `(inputs, examples)`. Nothing is factored and nothing is batched:
where SparseGPT has a Cholesky factor there are the inverses that it stands for, one after another.
"""

import pathlib

import numpy as np

FIXTURE = pathlib.Path(__file__).parents[1] / "fixtures" / "post_training.npz"


def wanda(W, X):
    """Eq. 1: S_ij = |W_ij| ||X_j||_2."""
    return np.abs(W) * np.sqrt((X * X).sum(1))


def best_of_each_row(S, keep):
    """The comparison group of Wanda is an output."""
    mask = np.zeros(S.shape, bool)
    for row, scores in enumerate(S):
        mask[row, sorted(range(len(scores)), key=lambda j: -scores[j])[:keep]] = True
    return mask


def sparsegpt(W, X, sparsity=None, nm=None, damping=0.01, block=128):
    """Algorithm 1: H = 2 X X^T, 1 % of its mean diagonal added; columns from left to right.

    At column j the Hessian is that of the columns from j on, and the optimal update of these when w_j goes is
    -w_j / [H^-1]_jj [H^-1]_j: (eq. 3).
    """
    W = W.copy()
    H = 2 * X @ X.T
    for j in range(len(H)):
        if H[j, j] == 0:
            H[j, j], W[:, j] = 1, 0
    H += np.eye(len(H)) * damping * np.mean(np.diag(H))
    columns = W.shape[1]
    inverses = [np.linalg.inv(H[j:, j:]) for j in range(columns)]
    of_one = np.array([inverse[0, 0] for inverse in inverses])
    mask = np.ones(W.shape, bool)
    for j in range(columns):
        if nm is not None and j % nm[1] == 0:
            group = slice(j, j + nm[1])
            mask[:, group] = best_of_each_row(W[:, group] ** 2 / of_one[group], nm[0])
        if nm is None and j % block == 0:
            group = slice(j, j + block)
            errors = W[:, group] ** 2 / of_one[group]
            gone = np.argsort(errors.ravel())[: round(errors.size * sparsity)]
            part = np.ones(errors.size, bool)
            part[gone] = False
            mask[:, group] = part.reshape(errors.shape)
        for i in range(len(W)):
            if not mask[i, j]:
                W[i, j:] -= W[i, j] / inverses[j][0, 0] * inverses[j][0]
                W[i, j] = 0
    return mask, W


def patches(images, size, stride):
    """Columns that a convolution with padding "same" sees, taps first and channels next to each other."""
    height, width = images.shape[1:3]
    rows = []
    around = []
    for length in (height, width):
        zeros = max((-(-length // stride) - 1) * stride + size - length, 0)
        around.append((zeros // 2, zeros - zeros // 2))
    padded = np.pad(images, [(0, 0), *around, (0, 0)])
    for image in padded:
        for y in range(0, padded.shape[1] - size + 1, stride):
            for x in range(0, padded.shape[2] - size + 1, stride):
                rows.append(image[y : y + size, x : x + size].ravel())
    return np.array(rows).T


def forward(net, weights, biases, x, upto):
    """The inputs X of layer `upto` of a net, each layer with ReLU behind it."""
    for layer in range(len(net) + 1):
        kind = net[layer] if layer < len(net) else None
        X = patches(x, 3, 2) if kind == "conv" else x.reshape(len(x), -1).T
        if layer == upto:
            return X
        y = np.maximum(weights[layer] @ X + biases[layer][:, None], 0).T
        x = y.reshape(len(x), -(-x.shape[1] // 2), -(-x.shape[2] // 2), -1) if kind == "conv" else y
    raise AssertionError


NETS = {
    # inputs past one block of 128 columns; the first two inputs are dead
    "dense": (("dense", "dense", "dense"), (160,), [(12, 160), (8, 12), (4, 8)]),
    "conv": (("conv", "conv", "dense"), (6, 5, 4), [(8, 36), (8, 72), (4, 32)]),
}


def make():
    rng = np.random.default_rng(20230102)
    found = {}
    for name, (net, shape, sizes) in NETS.items():
        weights = [rng.normal(0, 0.3, size) for size in sizes]
        biases = [rng.normal(0, 0.1, size[0]) for size in sizes]
        mixing = rng.normal(size=(int(np.prod(shape)),) * 2) / np.sqrt(np.prod(shape))
        x = (rng.normal(size=(48, int(np.prod(shape)))) @ mixing).reshape(48, *shape)
        if name == "dense":
            x[:, :2] = 0
        # As float32 holds them, so that both start from the same numbers.
        x, *rest = (array.astype("float32").astype("float64") for array in (x, *weights, *biases))
        weights, biases = rest[: len(sizes)], rest[len(sizes) :]
        found[f"{name}/x"] = x
        for layer in range(len(net)):
            found[f"{name}/weight/{layer}"], found[f"{name}/bias/{layer}"] = weights[layer], biases[layer]
            S = wanda(weights[layer], forward(net, weights, biases, x, layer))
            found[f"{name}/wanda/score/{layer}"] = S
            found[f"{name}/wanda/rows/{layer}"] = best_of_each_row(S, S.shape[1] // 2)
        for case, options in {
            "half": {"sparsity": 0.5},
            "2:4": {"nm": (2, 4)},
            "1:4": {"nm": (1, 4)},
        }.items():
            pruned = list(weights)
            for layer in range(len(net)):
                X = forward(net, pruned, biases, x, layer)
                mask, pruned[layer] = sparsegpt(weights[layer], X, **options)
                found[f"{name}/sparsegpt/{case}/mask/{layer}"] = mask
                found[f"{name}/sparsegpt/{case}/weight/{layer}"] = pruned[layer]
    return found


if __name__ == "__main__":
    np.savez_compressed(FIXTURE, **make())
