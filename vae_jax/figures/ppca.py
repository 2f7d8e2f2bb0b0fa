"""A linear VAE beside probabilistic PCA's closed form (Lucas et al. 2019)."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, PAGE, curve, doubling_axis, style, subplots
from vae_jax.statistics import Estimate


def ppca(
    sizes: Sequence[int],
    elbos: Sequence[Estimate],
    maxima: Sequence[float],
    variances: Sequence[float],
    active: Sequence[Estimate],
    predicted: Sequence[int],
    title: str,
) -> Figure:
    """Draws the ELBO at each latent size, and the active dimensions at each fixed σ².

    Args:
      sizes: latent sizes.
      elbos: of the trained VAE, on the images that it was trained on, nats per image.
      maxima: greatest log p(x) of probabilistic PCA on the same images, nats per image.
      variances: values of σ² that were fixed.
      active, predicted: dimensions in use at each, of the trained VAE and in closed form.
      title: names the data set.
    """
    with style():
        figure, (left, right) = subplots(2, width=PAGE, height=2.3)
        line = {"color": COLORS[2], "linestyle": "--", "marker": "x"}
        left.plot(sizes, maxima, label="pPCA, maximum of log p(x)", zorder=3, **line)
        curve(left, sizes, elbos, "linear VAE, ELBO", index=1)
        left.set(xlabel="latent size q", ylabel="nats per image", title=f"{title}, train: learned σ²")
        left.set_xticks(sizes)
        right.plot(variances, predicted, label="pPCA, closed form", zorder=3, **line)
        curve(right, variances, active, "linear VAE, active dimensions", index=1)
        doubling_axis(right, variances)
        right.set(xlabel="fixed σ²", ylabel="dimensions", title=f"{title}, train: fixed σ²")
        for axes in (left, right):
            axes.legend()
    return figure
