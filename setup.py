"""Maps conf/ into the package as genrl.conf; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["genrl", "genrl.*"]), "genrl.conf"],
    package_dir={"genrl.conf": "conf"},
    package_data={
        "genrl": [
            "py.typed",
            "report/*.css",
            "report/*.js",
            "templates/*/*.tmpl",
            "imitation/demonstrations/experts/*.md",
            "imitation/demonstrations/experts/*/data/*",
        ],
        "genrl.conf": ["**/*.yaml", "*.yaml"],
    },
)
