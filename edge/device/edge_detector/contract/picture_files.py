"""Which files are pictures, and what else a folder holds: so that it is told what was left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

# Pictures that OpenCV reads in some builds only, or in none.
OTHER_PICTURES = frozenset(
    {
        *(".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".j2k", ".jpe", ".jfif", ".svg"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".raw"),
        *(".psd", ".xcf", ".exr", ".hdr", ".tga", ".ico", ".pgm", ".pbm", ".pnm", ".ppm"),
    }
)
CONVERT = "convert them to .jpg or .png"
_CONVERT_IT = "convert it to .jpg or .png"
_HEADS: Mapping[bytes, str] = {
    b"GIF8": f"a GIF, {_CONVERT_IT}",
    b"%PDF": f"a PDF, {_CONVERT_IT}",
    b"<svg": f"an SVG, {_CONVERT_IT}",
    b"8BPS": f"a Photoshop file, {_CONVERT_IT}",
    b"<!DO": "a web page",
    b"<htm": "a web page",
}
_BRANDS: Mapping[bytes, str] = {  # of files in boxes, as phones write them
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), f"a HEIC, {_CONVERT_IT}"),
    **dict.fromkeys((b"avif", b"avis"), f"an AVIF, {_CONVERT_IT}"),
    **dict.fromkeys((b"mp42", b"isom", b"qt  "), "a video"),
}


def kind_of(content: bytes) -> str | None:
    """What a file is that is no picture for us, by its first bytes; None: nobody knows."""
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12])
    return _HEADS.get(content[:4])


def describe_suffixes(paths: Iterable[Path]) -> str:
    """What kinds of files these are, the most frequent first: `12 .heic, 1 .txt`."""
    found = Counter(path.suffix.lower() or "without suffix" for path in paths)
    parts = [f"{count} {suffix}" for suffix, count in found.most_common(3)]
    return ", ".join([*parts, *(["others"] if len(found) > 3 else [])])


def describe_contents(paths: Iterable[Path], wanted: Iterable[str]) -> str:
    """What is there instead of pictures, and what would be right, for the end of a message."""
    found = [path for path in paths if not path.name.startswith(".")]
    pictures = [path for path in found if path.suffix.lower() in OTHER_PICTURES]
    endings = ", ".join(sorted(wanted))
    if pictures:
        return f"it has {describe_suffixes(pictures)}, which are not read here: {CONVERT}"
    if not found:
        return f"it is empty; pictures end in {endings}"
    return f"it has {describe_suffixes(found)}; pictures end in {endings}"
