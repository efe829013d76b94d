"""Packaging of tf_tickets: version, what it requires, and the development tools."""

import re
import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
# Where the files of a release can be read, such as https://forge/owner/tf_tickets/blob/v0.1.0/. Empty until
# there is such a place: an address that leads nowhere is worse than none.
HOME = ""

# The lower bounds are versions that the whole test suite ran with; constraints.txt holds the exact
# versions that it is tested with now, for each Python.
REQUIRES = [
    "absl-py>=1.4",
    "etils<1.14; python_version < '3.11'",  # later ones need 3.11, which pip 23 finds out too late
    "fonttools>=4.43",
    "importlib_resources>=6.0",  # tensorflow-datasets imports it without requiring it
    "jinja2>=3.1",
    "keras>=3.12",
    "matplotlib>=3.8",
    "numpy>=1.26",
    "pandas>=2.3",
    "pillow>=12.3",
    "protobuf>=6.31.1",  # tensorflow-datasets cannot be imported with 5, which pip would let through
    "pyarrow>=25.0",
    "rich>=13.7",
    "scikit-learn>=1.4",
    "scipy>=1.11.4",
    "setuptools",  # tensorflow-model-optimization imports distutils, gone from Python 3.12
    "tensorboard>=2.20",  # what tf.summary writes with; TensorFlow no longer requires it
    "tensorflow>=2.20",
    "tensorflow-datasets>=4.9.7",
    # Its schedules of sparsity are taken where ours are, and it trains twins on; nothing here imports it
    # before a user has.
    "tensorflow-model-optimization>=0.8",
    "tf_keras>=2.20.1",  # what tensorflow-model-optimization calls Keras; an older one has no TensorFlow 2.20
]

# Sweeps on Ray, and directories at URLs; each kind of store has a package of its own beside (s3fs, gcsfs,
# adlfs, ...). Tested with Ray 2.60.0 and fsspec 2026.9.0.
RAY = [
    "fsspec>=2024.2",
    "ray>=2.60",
]

# Exports in formats of others: what writes them, and what runs them, so that outputs are compared.
ONNX = [
    "onnx>=1.23",
    "onnxruntime>=1.23",
    "tf2onnx>=1.17",
]
OPENVINO = ["openvino>=2026.4"]

# What ./scripts/datasets splits words by.
DATASETS = ["snowballstemmer>=3.0"]

# What guides of docs/ are about, and what runs the notebooks.
GUIDES = [
    "ipykernel>=7.4",
    "keras-hub>=0.25",
    "nbclient>=0.11",
]

DEVELOPMENT = [
    *DATASETS,
    *GUIDES,
    *ONNX,
    *OPENVINO,
    *RAY,
    "hypothesis>=6.100",
    "ipykernel>=7.4",  # a test runs a notebook
    "mypy>=1.15",
    "nbclient>=0.11",
    "nbformat>=5.11",
    "pytest>=9.0",
    "pytest-xdist>=3.5",
    "ruff>=0.9",
    "sphinx>=8.1",
    "statsmodels>=0.14.2",  # tests compare with it
]

PROGRAMS = ("run", "sweep", "sanity", "report")
# Read, not imported: that would need what is about to be installed.
VERSION = runpy.run_path(str(ROOT / "tf_tickets" / "support" / "version.py"))["VERSION"]


def description_for(readme: str, home: str) -> str:
    """The README for an index's page, which has no files beside it: links lead home, or are their text."""
    # ![text](path) and [text](path), where the path has no scheme and is no place on the page.
    local = re.compile(r"(!?)\[([^]]*)\]\((?!\w+:|#)([^)]+)\)")

    def elsewhere(found: re.Match) -> str:
        mark, text, path = found.groups()
        if home:
            return f"{mark}[{text}]({home}{path})"
        return f"*({text}: see {path})*" if mark else text

    return local.sub(elsewhere, readme)


setup(
    name="tf_tickets",
    version=VERSION,
    description="Pruning research on TensorFlow and Keras 3: tickets, and checks of what they use",
    long_description=description_for((ROOT / "README.md").read_text(encoding="utf-8"), HOME),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    keywords=["pruning", "sparsity", "lottery ticket", "keras", "tensorflow"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    # flags/ goes into the package, where --preset finds its files.
    packages=[*find_packages(include=["tf_tickets", "tf_tickets.*"]), "tf_tickets.flags"],
    package_dir={"tf_tickets.flags": "flags"},
    package_data={
        "tf_tickets": ["py.typed"],
        "tf_tickets.reporting": ["page.html"],
        "tf_tickets.flags": ["*.cfg", "*/*.cfg"],
    },
    python_requires=">=3.10,<3.14",
    install_requires=REQUIRES,
    entry_points={
        "console_scripts": [
            "tf-tickets = tf_tickets.programs.overview:entry_point",
            *(f"tf-tickets-{name} = tf_tickets.programs.{name}:entry_point" for name in PROGRAMS),
        ]
    },
    extras_require={"datasets": DATASETS, "dev": DEVELOPMENT, "onnx": ONNX, "openvino": OPENVINO, "ray": RAY},
)
