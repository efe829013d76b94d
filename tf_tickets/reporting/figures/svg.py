"""SVG as matplotlib writes it, made small, and coloured by the page's variables."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

from tf_tickets.reporting.palette import COLOURS, FONTS

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}


def svg_of(figure: Any, prefix: str) -> ElementTree.Element:
    """A figure's SVG: only what is drawn, with ids of its own, in any size."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(file.getvalue())
    _, _, width, height = root.get("viewBox", "").split()
    root.set("width", width)
    root.set("height", height)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    text = ElementTree.tostring(root, encoding="unicode")
    used = {*re.findall(r'href="#([^"]+)"', text), *re.findall(r"url\(#([^)]+)\)", text)}
    short = {name: f"{prefix}-{number}" for number, name in enumerate(sorted(used))}
    for element in root.iter():
        _tidy(element, short)
    return root


def text_of(root: ElementTree.Element) -> str:
    """The SVG as text."""
    return ElementTree.tostring(root, encoding="unicode")


def themed(root: ElementTree.Element) -> ElementTree.Element:
    """Puts the page's variables in the place of colours."""
    for element in root.iter():
        style = element.get("style")
        if style:
            element.set(
                "style", re.sub(r"#[0-9a-f]{6}", lambda colour: VARIABLES.get(colour[0], colour[0]), style)
            )
    return root


def _tidy(element: ElementTree.Element, short: Mapping[str, str]) -> None:
    """Renames the ids that are used and drops the others; shortens numbers and fonts."""
    name = element.attrib.pop("id", "")
    if name in short:
        element.set("id", short[name])
    target = element.attrib.pop(XLINK, None)
    if target is not None:
        element.set("href", f"#{short[target[1:]]}")
    if "clip-path" in element.attrib:
        element.set("clip-path", f"url(#{short[element.attrib['clip-path'][5:-1]]})")
    for attribute in ("d", "x", "y", "transform"):
        if attribute in element.attrib:
            value = " ".join(element.attrib[attribute].split())
            element.set(attribute, re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2f}", value))
    style = element.get("style")
    if style:
        element.set("style", re.sub(r"font-family: [^;]*", f"font-family: {FONTS}", style))
    element.text = element.text if (element.text or "").strip() else None
    element.tail = None
