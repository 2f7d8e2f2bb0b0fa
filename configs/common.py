"""The fields that every config has, and the arguments that every config takes."""

from ml_collections import ConfigDict

from vae_jax.data import SOURCES
from vae_jax.errors import UsageError, lookup
from vae_jax.sweeps.space import choice, log_uniform

# Passes over the data: a few thousand steps each, in which the studies' models get most of the way.
NUM_EPOCHS = {"digits": 200, "mnist": 10, "fashion_mnist": 10, "trees": 20}


# An image of trees has 3,072 values, most of them bright. In the first steps all weights of a node move
# together, by the learning rate times the sum of these, and a node of relu can die before it has learned
# anything. So: gelu, a smaller rate and a slow start, squared gradients soon forgotten (b2), and more steps
# an epoch. Half the nodes, because a step costs as much as the image is large.
TREES = {
    **{"bottleneck_width": 128, "batch_size": 32, "learning_rate": 2e-3, "schedule": "warmup_cosine"},
    **{"encoder": {"activation": "gelu"}, "decoder": {"activation": "gelu"}, "optimizer": {"b2": 0.99}},
}


def base(dataset: str = "digits") -> ConfigDict:
    """Returns all fields with values for the VAE; other families change some."""
    config = ConfigDict(
        {
            "seed": 0,
            # Data: dataset digits | mnist | fashion_mnist | trees; binarize none | threshold | sampled.
            "dataset": dataset,
            "binarize": "sampled",
            # Nets: net linear | mlp | conv. hidden_sizes, from the image inwards, are the
            # widths of an mlp's layers or the channels of conv's stride-2 convolutions;
            # bottleneck_width is the narrowest hidden layer, next to the code on both sides.
            "latent_size": 8,
            "bottleneck_width": 256,
            "encoder": {
                "net": "mlp",
                "hidden_sizes": (),
                "activation": "relu",
                "output_activation": "identity",
            },
            "decoder": {
                "net": "mlp",
                "hidden_sizes": (),
                "activation": "relu",
                "output_activation": "identity",
            },
            # Probability: posterior gaussian | delta; prior standard_normal | none; likelihood
            # bernoulli | gaussian (σ = sigma) | gaussian_learned (σ learned from sigma on).
            "posterior": "gaussian",
            "prior": "standard_normal",
            "likelihood": "bernoulli",
            "sigma": 0.0,
            # Objective: elbo | mse | reconstruction. beta weighs the KL term, which is warmed
            # up linearly over kl_warmup_epochs.
            "objective": "elbo",
            "beta": 1.0,
            "kl_warmup_epochs": 0,
            # Training. stop_epoch: ends it before num_epochs, by which the schedule and the warm-up
            # go all the same; 0 for no such end. early_stopping_patience: epochs without a better
            # validation loss before it stops; 0 for never. Schedule constant | cosine |
            # warmup_cosine | exponential.
            "batch_size": 128,
            "num_epochs": NUM_EPOCHS[dataset],
            "stop_epoch": 0,
            "early_stopping_patience": 0,
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "optimizer": {
                **{"name": "adam", "b1": 0.9, "b2": 0.999, "eps": 1e-8},
                **{"weight_decay": 0.0, "max_grad_norm": 0.0},
            },
            # Evaluation on test: samples of the IWAE bound, neighbours of the k-NN accuracy (0: none).
            "evaluation": {"iwae_samples": 100, "neighbors": 5},
        }
    )
    if dataset == "trees":
        config.update(TREES)
    return config


def use_convolutions(config: ConfigDict) -> None:
    """Two convolutions of stride 2 on each side: 28x28 -> 14x14 -> 7x7."""
    for part in (config.encoder, config.decoder):
        part.update(net="conv", hidden_sizes=(32, 64))


def smoke(config: ConfigDict) -> ConfigDict:
    """Shrinks any config to seconds: the same parts and sizes, hardly any training."""
    config.num_epochs = 2
    config.stop_epoch = min(config.stop_epoch, 1)
    config.kl_warmup_epochs = min(config.kl_warmup_epochs, 1)
    config.evaluation.iwae_samples = 2
    return config


def words(arg: str, variants: tuple[str, ...] = ()) -> tuple[str, set[str]]:
    """Reads a config's argument, such as 'mnist,smoke' -> ('mnist', {'smoke'}).

    Raises:
      UsageError: a word that is neither a data set, nor `smoke`, nor one of `variants`.
    """
    given = {word for word in arg.split(",") if word}
    known = dict.fromkeys((*SOURCES, "smoke", *variants))
    for word in given:
        lookup("config argument", word, known)
    datasets = given & set(SOURCES)
    if len(datasets) > 1:
        raise UsageError(f"a config argument names one data set, not {', '.join(sorted(datasets))}")
    return next(iter(datasets), "digits"), given


def sweep_seed():
    """Five seeds: over three, the interval of the same spread is twice as wide."""
    for seed in range(5):
        yield {"seed": seed}


def sweep_latent_size():
    """Dimensions of the code, doubling."""
    for latent_size in (2, 4, 8, 16, 32):
        yield {"latent_size": latent_size}


def sweep_bottleneck_width():
    """Width of the narrowest hidden layer, doubling."""
    for width in (8, 16, 32, 64, 128, 256, 512):
        yield {"bottleneck_width": width}


def sweep_learning_rate():
    for learning_rate in (1e-4, 3e-4, 1e-3, 3e-3):
        yield {"learning_rate": learning_rate}


def search_sizes():
    """Learning rate and sizes. One program trains all; few sizes, because each is set up on its own."""
    return {
        "learning_rate": log_uniform(1e-4, 3e-2),
        "latent_size": choice(4, 8, 16, 32),
        "bottleneck_width": choice(64, 128, 256, 512),
    }


def search_training():
    """Learning rate, batch size and schedule; trials share a program where the last two are the same."""
    return {
        "learning_rate": log_uniform(1e-4, 3e-2),
        "batch_size": choice(32, 64, 128, 256),
        "schedule": choice("constant", "cosine", "warmup_cosine", "exponential"),
    }
