"""Compaction: a smaller stock model that computes what a pruned one does."""
