"""Mistakes in overrides are told in one line; the command line's own tests show many more."""

import pytest

from genrl.config import compose
from genrl.registry import ConfigurationError


def test_compose_says_what_is_wrong() -> None:
    with pytest.raises(ConfigurationError, match="sampler 'ddim' has no parameter 'step'"):
        compose(["sampler.step=4"])
    with pytest.raises(
        ConfigurationError, match=r"no sampler is called 'dimm'\. Did you mean 'ddim"
    ):
        compose(["sampler=dimm"])
    with pytest.raises(
        ConfigurationError, match=r"no logger is called 'wandbb'\. Did you mean 'wandb"
    ):
        compose(["logger=[tensorboard, wandbb]"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "policy.features=[32]",
            "no policy is chosen, so that 'policy.features' has nothing to se",
        ),
        ("policy.features.x=1", "no policy is chosen, so that 'policy.features.x' has nothing to "),
        ("logger.wandb.project=mine", "the logger .wandb. is not chosen: give logger=wandb too"),
        ("trainer.strategy=ddp", r"or write \+trainer\.strategy=\.\.\."),
        ("evaluation=none", "to choose another callback, write 'callback@evaluation=none'"),
        ("policy=null", "to choose no policy, write '~policy'"),
        ("imitation_loss=gail,null", "to choose no imitation_loss, write '~imitation_loss'"),
    ],
)
def test_of_what_is_not_chosen(override: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        compose(["+experiment=ppo", override])


def test_a_choice_can_be_taken_back() -> None:
    config = compose(["+experiment=diffusion_policy", "~policy"])
    assert config["policy"] is None


def test_parameters_of_what_is_chosen() -> None:
    config = compose(["+experiment=ppo", "policy=gaussian", "policy.features=[32]"])
    assert config["policy"]["features"] == [32]
    with pytest.raises(ConfigurationError, match="policy 'gaussian' has no parameter 'featurs'"):
        compose(["+experiment=ppo", "policy=gaussian", "policy.featurs=[32]"])
    with pytest.raises(ConfigurationError, match=r"no parameter 'projct'\. Did you mean 'pr"):
        compose(["+experiment=ppo", "logger=wandb", "logger.wandb.projct=x"])
