"""Common parts of the plots: a canvas in the colours of the page, bars with hatches, a legend. Needs matplotlib."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from tap_cxone.report import svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

WIDTH = 9.6
"""Of every plot, in inches of 72 units."""
LEFT, RIGHT = 0.21, 0.985
"""Left and right edge of the axes, as shares of the width."""
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text elements can be read out, searched and copied
    "svg.hashsalt": "cxone-report",  # makes the page reproducible
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib, for measuring; the page sets its own font
    "font.size": 9,
    "hatch.linewidth": 0.8,
    "axes.linewidth": 0.8,
    "axes.edgecolor": svg.MUTED,
    "axes.labelcolor": svg.INK,
    "axes.facecolor": "none",
    "axes.titlecolor": svg.INK,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "text.color": svg.INK,
    "xtick.color": svg.MUTED,
    "ytick.color": svg.MUTED,
    "xtick.labelcolor": svg.INK,
    "ytick.labelcolor": svg.INK,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class BarStyle:
    """The style of a bar: its colours, and a hatch that distinguishes it without colours."""

    label: str
    fill: str
    hatch: str | None = None
    line: str = svg.PAPER

    def patch(self) -> Patch:
        """Return its symbol for a legend."""
        return Patch(facecolor=self.fill, edgecolor=self.line, hatch=self.hatch, label=self.label, linewidth=0.8)


@dataclass
class Canvas:
    """A plot that is being drawn.

    Attributes:
        figure: the figure of matplotlib.
        titles: titles of elements, shown as tooltips, by the element's gid.
    """

    figure: Figure
    titles: dict[str, str] = field(default_factory=dict)

    def add_title(self, artist: Artist, title: str) -> None:
        """Give an element a title."""
        gid = f"e{len(self.titles)}"
        artist.set_gid(gid)
        self.titles[gid] = title

    def bar(
        self, axes: Axes, corner: tuple[float, float], extent: tuple[float, float], style: BarStyle, title: str
    ) -> None:
        """Draw a bar.

        Args:
            axes: where to draw.
            corner: its lower left corner, in the units of the axes.
            extent: its width and height, in the units of the axes.
            style: its colours and hatch.
            title: its title, shown as a tooltip.
        """
        bar = Rectangle(corner, *extent, facecolor=style.fill, edgecolor=style.line, hatch=style.hatch, linewidth=0.6)
        axes.add_patch(bar)
        self.add_title(bar, title)

    def element(self, name: str, label: str) -> str:
        """Return the plot as an ``<svg>`` element."""
        return svg.to_svg(self.figure, name, label, self.titles)


@contextmanager
def canvas(height: float) -> Iterator[Canvas]:
    """Create an empty plot of a height in inches."""
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about characters that the font lacks, and about distant dates
        yield Canvas(Figure(figsize=(WIDTH, height)))


def set_margins(figure: Figure, top: float, bottom: float) -> None:
    """Set the margins above and below the axes, in inches, and the default margins beside them."""
    height = figure.get_figheight()
    figure.subplots_adjust(left=LEFT, right=RIGHT, top=1 - top / height, bottom=bottom / height)


def legend(axes: Axes, entries: Sequence[Artist], offset: float = 0.0) -> None:
    """Put a legend ``offset`` inches above the axes."""
    if not entries:
        return
    height = axes.bbox.height / axes.get_figure(root=True).dpi  # type: ignore[union-attr] # axes always belong to a figure
    axes.legend(
        handles=list(entries),
        loc="lower left",
        bbox_to_anchor=(0, 1 + offset / height),
        ncols=min(len(entries), 7),
        borderaxespad=0.3,
        borderpad=0.2,
        handlelength=1.8,
        handleheight=1.1,
        columnspacing=1.2,
    )


def plain(axes: Axes, *, grid: str = "x") -> None:
    """Remove frame and tick marks, and add grid lines."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis=grid, color=svg.GRID, linewidth=0.6)  # type: ignore[arg-type] # one of x, y, both
