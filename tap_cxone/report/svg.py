"""Makes the SVG of matplotlib embeddable: theme colours, no style attributes, unique ids.

The Content-Security-Policy of the page forbids style attributes. The style sheet of the page defines the light and the
dark theme, so each colour here is a placeholder for one of its variables.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#010101", "#010102", "#010103", "#010104"
QUEUED, RUNNING, BOTH, DOWNLOAD, EMIT = "#020201", "#020202", "#020203", "#020204", "#020205"
BAD, GOOD, GAP, BAR, WARN = "#030301", "#030302", "#030303", "#030304", "#030305"
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    QUEUED: "queued",
    RUNNING: "running",
    BOTH: "both",
    DOWNLOAD: "download",
    EMIT: "emit",
    BAD: "bad",
    GOOD: "good",
    GAP: "gap",
    BAR: "bar",
    WARN: "warn",
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_UNWANTED = {"font-family"}
"""Attributes that the style sheet of the page sets."""
_URL = re.compile(r"url\(#")


def to_svg(figure: Figure, name: str, label: str, titles: dict[str, str]) -> str:
    """Return a figure as an ``<svg>`` element.

    Args:
        figure: the figure, in the colours of this module.
        name: prefix of its ids, unique in the page.
        label: description for screen readers.
        titles: titles of elements, shown as tooltips, by the element's gid.
    """
    file = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    root = ET.fromstring(file.getvalue())  # noqa: S314 - made in this process
    for element in root.iter():
        _style(element)
        _rename(element, name, titles)
    for parent in root.iter():
        for child in [child for child in parent if child.tag == f"{{{_SVG}}}style"]:
            parent.remove(child)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib |= {"role": "img", "aria-label": label, "id": name, "class": "plot"}
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")


def _style(element: ET.Element) -> None:
    """Replace the style attribute by one attribute for each property, and colours by variables."""
    for entry in element.attrib.pop("style", "").split(";"):
        key, _, value = entry.partition(":")
        if key.strip() and key.strip() not in _UNWANTED:
            element.set(key.strip(), value.strip())
    for key in ("fill", "stroke"):
        if variable := _VARIABLES.get(element.get(key, "")):
            element.set(key, f"var(--{variable})")
    if "d" in element.attrib:
        element.set("d", " ".join(element.attrib["d"].split()))
    if (element.get("transform") or "").startswith("rotate(-0 "):
        del element.attrib["transform"]


def _rename(element: ET.Element, name: str, titles: dict[str, str]) -> None:
    own = element.attrib.pop("id", None)
    if own is not None:
        element.set("id", f"{name}-{own}")
        if title := titles.get(own):
            child = ET.Element(f"{{{_SVG}}}title")
            child.text = title
            element.insert(0, child)
    if _HREF in element.attrib:
        element.set("href", element.attrib.pop(_HREF).replace("#", f"#{name}-"))
    for key, value in element.attrib.items():
        if "url(#" in value:
            element.set(key, _URL.sub(f"url(#{name}-", value))
