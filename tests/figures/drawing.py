"""What can be asked of any figure once it is drawn."""

import warnings

from matplotlib.backends.backend_agg import FigureCanvasAgg


def draw(figure):
    """Draws the figure; a warning, such as of a layout that does not fit, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()
    return figure


def is_cut_off(figure):
    """Returns whether anything of a drawn figure reaches over its edge."""
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    return min(box.x0, box.y0, width - box.x1, height - box.y1) < -0.02  # inches


def points(axes):
    """Returns the points of every line: label -> [(x, y), ...]."""
    return {line.get_label(): list(map(tuple, line.get_xydata())) for line in axes.get_lines()}


def legend(container):
    """Returns the names in the legend of axes or of a figure."""
    found = container.get_legend() if hasattr(container, "get_legend") else container.legends[0]
    return [text.get_text() for text in found.get_texts()]
