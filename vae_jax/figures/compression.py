"""Bits against error: what is lost for how much room."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vae_jax.figures.style import COLORS, MARKERS, PAGE, cost_axis, log_ticks, style, subplots

Points = Sequence[tuple[float, float]]  # (bits of an image, mean squared error per pixel)


def compression(
    curves: Mapping[str, Sequence[Points]], png: float, raw: float, error: float, components: int, title: str
) -> Figure:
    """Draws a curve for each way to compress, of every seed where there are several.

    Args:
      curves: name -> for each seed, its points by rising bits.
      png, raw: bits of an image as PNG, and of its bytes: both lose nothing.
      error: of PCA with so many `components`, at which bits are compared.
      title: names the images.
    """
    with style():
        figure, (axes,) = subplots(1, width=0.75 * PAGE, height=3.4)
        for index, (name, seeds) in enumerate(curves.items()):
            line = {"color": COLORS[index], "marker": MARKERS[index], "markersize": 3}
            for seed, points in enumerate(seeds):
                label = None if seed else f"{name}, {len(seeds)} seeds" if len(seeds) > 1 else name
                axes.plot(*zip(*points, strict=True), label=label, alpha=0.7, **line)
        for name, bits, dashes in (("PNG, nothing is lost", png, ":"), ("8 bits a value", raw, "-.")):
            axes.axvline(bits, color="0.35", linestyle=dashes, linewidth=1, label=name)
        axes.axhline(
            error, color="0.6", linewidth=0.8, label=f"error of {components} principal components", zorder=0
        )
        axes.set(yscale="log", xlabel="bits per image", ylabel="mean squared error per pixel", title=title)
        cost_axis(axes)
        log_ticks(axes.yaxis)
        axes.legend(loc="lower left")
    return figure
