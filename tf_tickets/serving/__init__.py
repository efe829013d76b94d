"""A pruned model as a TensorFlow graph: weights packed on disk, sparse kernels, layouts, what is fastest."""
