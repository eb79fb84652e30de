"""Maps conf/ into the package as genrl.conf; everything else is in pyproject.toml."""

from setuptools import find_namespace_packages, setup

# Folders of data are packages without code: setuptools warns of any that is not named.
CODE = find_namespace_packages(include=["genrl", "genrl.*"], exclude=["*__pycache__*"])
CONF = find_namespace_packages("conf", exclude=["*__pycache__*"])

setup(
    packages=[*CODE, "genrl.conf", *(f"genrl.conf.{name}" for name in CONF)],
    package_dir={"genrl.conf": "conf"},
    package_data={
        "": ["*.css", "*.js", "*.md", "*.tmpl", "*.yaml"],
        "genrl": ["py.typed"],
        "genrl.imitation.demonstrations.experts": ["*/data/*"],
    },
)
