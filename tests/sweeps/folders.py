"""What a folder of runs holds."""

import json


def results(folder):
    """The results of a folder, by method, check and seed."""
    found = [json.loads(path.read_text()) for path in folder.glob("*/result.json")]
    return {(x["method"], x["sanity_check"], x["seed"]): x for x in found}


def times(folder):
    """When each of its files was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
