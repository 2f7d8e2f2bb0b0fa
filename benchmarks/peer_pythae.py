"""The peer of `benchmarks.strategies`: pythae's own trainer, for a Python that has torch and pythae.

    python benchmarks/peer_pythae.py IMAGES.npy LATENT_SIZE EPOCHS

Trains the 784-500-z-500-784 VAE on the first 50,000 images, validates on the other 10,000 after
every epoch, and prints the seconds from the start of the trainer to its end.
"""

import sys
import tempfile
import time

import numpy as np
import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from torch import nn

WIDTH, BATCH, TRAIN = 500, 128, 50_000


class Encoder(BaseEncoder):
    def __init__(self, latent_size: int):
        super().__init__()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH), nn.ReLU())
        self.mean, self.logvar = nn.Linear(WIDTH, latent_size), nn.Linear(WIDTH, latent_size)

    def forward(self, x):
        h = self.hidden(x)
        return ModelOutput(embedding=self.mean(h), log_covariance=self.logvar(h))


class Decoder(BaseDecoder):
    def __init__(self, latent_size: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 784), nn.Sigmoid()
        )

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z).reshape(-1, 1, 28, 28))


def main() -> None:
    path, latent_size, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    images = torch.tensor(np.load(path).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=latent_size, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(latent_size), decoder=Decoder(latent_size))
    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=1e-3,
            per_device_train_batch_size=BATCH,
            per_device_eval_batch_size=BATCH,
            no_cuda=True,
        )
        began = time.perf_counter()
        pipeline = TrainingPipeline(training_config=training, model=model)
        pipeline(train_data=images[:TRAIN], eval_data=images[TRAIN : TRAIN + 10_000])
        print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
