"""The demonstrations that come with genrl; ``experts/README.md`` says how they were made."""

from pathlib import Path

from genrl.registry import ConfigurationError, suggest

EXPERTS = Path(__file__).parent / "experts"


def shipped_ids() -> list[str]:
    """Environments that demonstrations are shipped for."""
    return sorted(path.parent.name for path in EXPERTS.glob("*/data"))


def shipped(env_id: str) -> Path:
    """The folder of the demonstrations for an environment.

    Raises:
        ConfigurationError: if there are none; the message names those that there are.
    """
    known = shipped_ids()
    if env_id not in known:
        raise ConfigurationError(
            f"genrl ships no demonstrations for {env_id}.{suggest(env_id, known)} Shipped: "
            f"{', '.join(known) or 'none'}. Record some (genrl collect RUN) and give "
            "demonstrations.path=..."
        )
    return EXPERTS / env_id
