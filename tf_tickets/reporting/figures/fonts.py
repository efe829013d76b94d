"""The font of files: its letters that are used, put into an SVG."""

from __future__ import annotations

import base64
import io
import logging
import xml.etree.ElementTree as ElementTree

from tf_tickets.reporting.figures.svg import SVG
from tf_tickets.reporting.palette import FONTS

FAMILY = "tf_tickets DejaVu Sans"


def with_fonts(root: ElementTree.Element) -> ElementTree.Element:
    """Puts the letters that an SVG's texts use into it, and names them before the reader's fonts.

    A letter that DejaVu Sans lacks is drawn by the reader's fonts.
    """
    letters = "".join(
        sorted({letter for text in root.iter(f"{{{SVG}}}text") for letter in "".join(text.itertext())})
    )
    if letters:
        font = base64.b64encode(_subset(letters)).decode("ascii")
        style = ElementTree.Element(f"{{{SVG}}}style")
        style.text = (
            f"@font-face{{font-family:'{FAMILY}';src:url(data:font/woff;base64,{font}) format('woff')}}"
        )
        root.insert(0, style)
        for element in root.iter():
            said = element.get("style", "")
            if FONTS in said:
                element.set("style", said.replace(FONTS, f"'{FAMILY}', 'DejaVu Sans', {FONTS}"))
    return root


def _subset(letters: str) -> bytes:
    """A WOFF file of these letters of DejaVu Sans, with which matplotlib draws; the same bytes each time."""
    from fontTools import subset, ttLib
    from matplotlib.font_manager import FontProperties, findfont

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    path = findfont(FontProperties(family="DejaVu Sans"))
    with ttLib.TTFont(path, recalcTimestamp=False, lazy=True) as font:
        options = subset.Options(layout_features=[], name_IDs=[], hinting=False, notdef_outline=True)
        options.drop_tables += ["GDEF", "GPOS", "GSUB", "MATH"]
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=letters)
        subsetter.subset(font)
        font.flavor = "woff"
        file = io.BytesIO()
        font.save(file)
    return file.getvalue()
