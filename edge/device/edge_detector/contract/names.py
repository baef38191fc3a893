"""Names that become folders, file names and parts of addresses on both sides; none is a path."""

from edge_detector.contract.rules import Form, check

MODEL_NAME = Form(r"[a-z0-9][a-z0-9_-]{0,63}", "a-z, 0-9, _ and -, at most 64, no sign first")
DEVICE_ID = Form(
    r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "1 to 64 letters, digits, - and _, a letter or digit first"
)
FILE_NAME = Form(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "a plain file name")
SHA256 = Form(r"[0-9a-f]{64}", "64 hexadecimal digits in lower case")
VERSION = Form(
    r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){2}",
    "three numbers without leading zeros: 1.2.3",
)


def parse_version(text: str) -> tuple[int, int, int]:
    """The three numbers of a version, which compare as versions do.

    Raises:
        SchemaError: it is not of the form 1.2.3.
    """
    check("version", text, VERSION)
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch
