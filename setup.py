"""Packaging of tf_tickets: version, what it requires, and the development tools."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

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
    "protobuf>=6.31.1",  # tensorflow-datasets cannot be imported with 5, which pip would let through
    "rich>=13.7",
    "scikit-learn>=1.4",
    "scipy>=1.11.4",
    "setuptools",  # tensorflow-model-optimization imports distutils, gone from Python 3.12
    "statsmodels>=0.14.2",
    "tensorboard>=2.20",  # what tf.summary writes with; TensorFlow no longer requires it
    "tensorflow>=2.20",
    "tensorflow-datasets>=4.9.7",
    "tensorflow-model-optimization>=0.8",
    "tf_keras>=2.20.1",  # what tensorflow-model-optimization calls Keras
]

# Sweeps on Ray, and directories at URLs; each kind of store has a package of its own beside (s3fs, gcsfs,
# adlfs, ...). Tested with Ray 2.60.0 and fsspec 2026.9.0.
RAY = [
    "fsspec>=2024.2",
    "ray>=2.60",
]

DEVELOPMENT = [
    *RAY,
    "hypothesis>=6.100",
    "mypy>=1.15",
    "pytest>=9.0",
    "pytest-xdist>=3.5",
    "ruff>=0.9",
    "sphinx>=8.1",
]

PROGRAMS = ("run", "sweep", "sanity", "report")
# Read, not imported: that would need what is about to be installed.
VERSION = runpy.run_path(str(Path(__file__).with_name("tf_tickets") / "support" / "version.py"))["VERSION"]

setup(
    name="tf_tickets",
    version=VERSION,
    description="Pruning research on TensorFlow and Keras 3: tickets, and checks of what they use",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["tf_tickets", "tf_tickets.*"]),
    package_data={"tf_tickets": ["py.typed"], "tf_tickets.reporting": ["page.html"]},
    python_requires=">=3.10,<3.14",
    install_requires=REQUIRES,
    entry_points={
        "console_scripts": [
            "tf-tickets = tf_tickets.programs.overview:entry_point",
            *(f"tf-tickets-{name} = tf_tickets.programs.{name}:entry_point" for name in PROGRAMS),
        ]
    },
    extras_require={"dev": DEVELOPMENT, "ray": RAY},
)
