"""What the plots share: colours, styles, legend and tooltips, and how a plot gets into the page. Needs matplotlib."""

from __future__ import annotations

import html
import re
import warnings
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

COLOURS = {
    "paper": ("#ffffff", "#15181c"),
    "ink": ("#1a1d21", "#e8eaed"),
    "muted": ("#59616b", "#a7b0ba"),
    "grid": ("#d9dee4", "#353b43"),
    "panel": ("#f5f7f9", "#1d2126"),
    "link": ("#0b57a4", "#8fc1ff"),
    "queued": ("#e9edf1", "#3a424b"),
    "running": ("#2f6db5", "#6aa6ea"),
    "both": ("#4f7fae", "#7fa8d3"),
    "download": ("#1c7f74", "#4cbcae"),
    "emit": ("#b35c12", "#f0a35c"),
    "bad": ("#b3261e", "#ff8a80"),
    "good": ("#2e7d32", "#7ccf81"),
    "gap": ("#7a4a9c", "#c79be6"),
    "warn": ("#8a5a00", "#f2c14e"),
}
"""The light and the dark theme. Plots are drawn in the light one; the style sheet of the page replaces its colours."""
_WIDTH = 9.6
"""Of every plot, in inches of 72 units."""
_GROUP = re.compile(r'<g id="([^"]*)"(?=/?>)')


def colour(name: str) -> str:
    """Return a colour of the light theme."""
    return COLOURS[name][0]


_SETTINGS: Any = {
    "svg.fonttype": "none",  # text elements can be read out, searched and copied
    "date.converter": "concise",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib, for measuring; the page sets its own font
    "font.size": 9,
    "text.color": colour("ink"),
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "none",
    "axes.edgecolor": colour("muted"),
    "axes.labelcolor": colour("ink"),
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": colour("grid"),
    "xtick.color": colour("muted"),
    "ytick.color": colour("muted"),
    "ytick.major.size": 0,
    "xtick.labelcolor": colour("ink"),
    "ytick.labelcolor": colour("ink"),
    "legend.frameon": False,
    "legend.columnspacing": 1.2,
    "hatch.linewidth": 0.8,
}


def bar_style(fill: str, hatch: str | None = None, line: str = "paper", edge: str | None = None) -> dict[str, Any]:
    """Return the style of a bar by names of colours, with a hatch that distinguishes it without colours.

    Without an edge of its own, it has one in its colour, so that the narrowest bar is visible.
    """
    edge = edge or (fill if line == "paper" else line)
    colours = {"facecolor": colour(fill), "edgecolor": colour(edge), "hatchcolor": colour(line)}
    return colours | {"hatch": hatch, "linewidth": 0.8}


def mark_style(marker: str, fill: str, size: float, edge: str = "paper") -> dict[str, Any]:
    """Return the style of a mark, its size in points."""
    colours = {"color": colour(fill), "markeredgecolor": colour(edge)}
    return colours | {"marker": marker, "markersize": size, "linestyle": "none", "clip_on": False, "zorder": 4}


class Plot:
    """A plot that is being drawn.

    Args:
        name: prefix of the ids of its elements, unique in the page.
        height: in inches.
    """

    def __init__(self, name: str, height: float) -> None:
        self.figure = Figure(figsize=(_WIDTH, height))
        self._name = name
        self._tooltips: dict[str, str] = {}

    def tooltip(self, artist: Artist, text: str) -> None:
        """Give an element a tooltip."""
        gid = f"{self._name}.{len(self._tooltips)}"
        artist.set_gid(gid)
        self._tooltips[gid] = text

    def legend(self) -> None:
        """Add a legend of everything that has a label."""
        entries: dict[str, Artist] = {}
        for axes in self.figure.axes:
            handles, labels = axes.get_legend_handles_labels()
            entries |= zip(labels, handles, strict=True)
        if entries:
            self.figure.legend(entries.values(), entries.keys(), loc="outside upper left", ncols=7)

    def svg(self, title: str) -> str:
        """Return the plot as an ``<svg>`` element with a title for screen readers."""
        if engine := self.figure.get_layout_engine():
            engine.execute(self.figure)
            self.figure.set_layout_engine("none")  # otherwise everything is drawn twice
        file = StringIO()
        metadata = {"Title": title} | dict.fromkeys(("Creator", "Date", "Format", "Type"))
        self.figure.savefig(file, format="svg", metadata=metadata)
        _, _, rest = file.getvalue().partition("<svg ")
        return _GROUP.sub(self._group, f'<svg role="img" {rest}')

    def _group(self, start: re.Match[str]) -> str:
        """Return the start of a group with its tooltip, or without its id, which other plots have, too."""
        tooltip = self._tooltips.get(start[1])
        return "<g" if tooltip is None else f"{start[0]}><title>{html.escape(tooltip, quote=False)}</title"


@contextmanager
def new_plot(name: str, height: float) -> Iterator[Plot]:
    """Create an empty plot; for the arguments see ``Plot``."""
    salt: Any = {"svg.hashsalt": name}  # makes other ids unique in the page, and the same in the next one
    with mpl.rc_context(_SETTINGS | salt), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that the font lacks
        yield Plot(name, height)


def label_rows(axes: Axes, labels: Sequence[str], above: float = 0) -> None:
    """Label the rows 0, 1, … of a plot, the first on top, and leave space above."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5 - above)
