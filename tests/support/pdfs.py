"""What a PDF claims to be, and what it says."""

import io
from typing import Any

from pypdf import PdfReader


def reader(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def claims(pdf: bytes) -> set[str]:
    """Standards, tags, language, title and embedded fonts, each under its name where the file has it."""
    found = reader(pdf)
    root: Any = found.trailer["/Root"]
    xmp = root["/Metadata"].get_data().decode() if "/Metadata" in root else ""
    resources: list[Any] = [page["/Resources"] for page in found.pages]
    fonts = [font.get_object() for each in resources for font in each.get("/Font", {}).values()]
    embedded = all(
        "/FontFile" in str(child.get_object()["/FontDescriptor"].keys())
        for font in fonts
        for child in font.get("/DescendantFonts", [font])
    )
    checks = {
        "PDF/A-3": "<pdfaid:part>3</pdfaid:part>" in xmp,
        "level A": "<pdfaid:conformance>A</pdfaid:conformance>" in xmp,
        "PDF/UA-1": "<pdfuaid:part>1</pdfuaid:part>" in xmp,
        "tagged": bool(root.get("/MarkInfo", {}).get("/Marked")) and "/StructTreeRoot" in root,
        "title shown": bool(root.get("/ViewerPreferences", {}).get("/DisplayDocTitle")),
        "fonts embedded": bool(fonts) and embedded,
        f"language {root.get('/Lang')}": "/Lang" in root,
    }
    return {name for name, holds in checks.items() if holds}


def roles(pdf: bytes) -> list[str]:
    """The tags of the structure tree, in order of reading."""
    found: list[str] = []

    def walk(node: Any) -> None:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for each in node:
                walk(each)
        elif hasattr(node, "get"):
            if "/S" in node:
                found.append(str(node["/S"])[1:])
            walk(node.get("/K", []))

    root: Any = reader(pdf).trailer["/Root"]
    walk(root["/StructTreeRoot"])
    return found


def said(pdf: bytes) -> str:
    """All text, its white space as single spaces."""
    return " ".join(" ".join(page.extract_text() for page in reader(pdf).pages).split())
