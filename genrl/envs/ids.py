"""Looking up gymnasium ids, with errors that name the nearest known one."""

import importlib
import re
import sys

import gymnasium

from genrl.registry import ConfigurationError, nearest


def require_id(env_id: str) -> None:
    """Check that gymnasium knows an id; ``module:id`` imports the module first, as in gymnasium.

    Raises:
        ConfigurationError: if it does not; the message names the nearest known id.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        # A config may come from somebody else, and some modules do more than be there.
        if module.partition(".")[0] in sys.stdlib_module_names:
            raise ConfigurationError(
                f"'{env_id}' names the module '{module}' of Python itself, which has no environment"
            )
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigurationError(
                f"'{env_id}' names the module '{module}', which cannot be imported: {error}"
            ) from error
    if name not in gymnasium.registry:
        near = nearest_id(name)
        hint = f" Did you mean '{near}'?" if near else ""
        raise ConfigurationError(
            f"no environment is called '{name}'.{hint} All of them: "
            'python -c "import gymnasium; gymnasium.pprint_registry()"'
        )


def nearest_id(env_id: str) -> str | None:
    """The newest version of the known environment whose name is most like this, or None."""
    newest = {
        _bare(spec.id): spec.id
        for spec in sorted(gymnasium.registry.values(), key=lambda spec: spec.version or 0)
    }
    near = nearest(_bare(env_id), newest)
    return None if near is None else newest[near]


def _bare(env_id: str) -> str:
    return re.sub(r"-v\d+\W*$", "", env_id).replace("_", "").lower()
