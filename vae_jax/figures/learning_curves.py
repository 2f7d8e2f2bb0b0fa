"""The ELBO against the number of training images seen (Kingma & Welling 2014, Fig. 2)."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, PAGE, cost_axis, style, subplots
from vae_jax.statistics import Estimate

LINES = {"train": "-", "valid": "--"}


def learning_curves(
    seen: Sequence[int], elbos: Mapping[int, Mapping[str, Sequence[Estimate]]], title: str
) -> Figure:
    """Draws one panel for each latent size.

    Args:
      seen: training images seen, at each point of the curves.
      elbos: latent size -> 'train' and 'valid' -> ELBO, nats per image, at each point.
      title: names the data set.
    """
    with style():
        figure, panels = subplots(len(elbos), width=PAGE, height=2.1)
        for axes in panels[1:]:
            axes.sharey(panels[0])
        for axes, (size, curves) in zip(panels, elbos.items(), strict=True):
            for index, (name, line) in enumerate(LINES.items()):
                _band(axes, seen, curves[name], line, COLORS[1 + index], name)
            axes.set_title(f"{size} dimensions")
            cost_axis(axes, most=2)  # the panels are narrow
            axes.label_outer()
        panels[0].set_ylabel("ELBO, nats per image")
        panels[0].legend(loc="upper left")
        seeds = next(iter(elbos.values()))["valid"][0].count
        how = f"mean and 95% interval over {seeds} seeds; train: while it trains"
        figure.supxlabel(f"training images of {title} seen ({how})", fontsize=8)
    return figure


def _band(axes, x, estimates, line, color, name) -> None:
    axes.plot(x, [e.mean for e in estimates], line, color=color, label=name)
    low, high = [e.low for e in estimates], [e.high for e in estimates]
    axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
