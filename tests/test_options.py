"""What can be chosen."""

from pathlib import Path

from genrl.options import config_names
from genrl.registry import registries

CONF = Path(__file__).parents[1] / "conf"


def test_every_registered_component_is_an_option() -> None:
    names = config_names()
    for kind, registry in registries().items():
        if registry.names() and not kind.startswith("thing_"):
            assert set(registry.names()) <= set(names[kind])


def test_every_file_is_an_option() -> None:
    names = config_names()
    for path in CONF.glob("*/*.yaml"):
        assert path.stem in names[path.parent.name]
    assert "hydra" not in names
