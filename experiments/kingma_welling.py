"""The VAE of Kingma & Welling (2014) on Bernoulli pixels, whose runs several studies share.

Two fifths of the other studies' epochs: by then the curves are flat, and there are many runs.
"""

from ml_collections import ConfigDict

from configs import common, vae
from configs.common import sweep_seed
from vae_jax.config import override
from vae_jax.sweeps import expand

# Their latent sizes (2, 5, 10, 20 of Fig. 5; Fig. 2 has 3, 5, 10, 20, 200) and the 50 of Burda et al.
SIZES = (2, 5, 10, 20, 50)


def config(dataset: str) -> ConfigDict:
    """Returns the config, of any latent size."""
    return override(vae.get_config(dataset), {"num_epochs": common.NUM_EPOCHS[dataset] * 2 // 5})


def configs(dataset: str, latent_sizes: tuple[int, ...]) -> list[ConfigDict]:
    """Latent sizes x seeds."""
    return expand(config(dataset), [[{"latent_size": size} for size in latent_sizes], sweep_seed()])
