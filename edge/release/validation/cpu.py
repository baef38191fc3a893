"""On which processor something was measured: times say nothing without it."""

import platform
from pathlib import Path

# Of what a processor can do, that by which the kernels of a runtime are chosen.
_TELLING = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_int8"),
    *("asimddp", "i8mm", "sve"),
)


def cpu_name(file: Path = Path("/proc/cpuinfo")) -> str:
    """What the processor calls itself, with what of it matters to a model's speed."""
    try:
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    known: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        known.setdefault(key.strip().lower(), value.strip())
    name = known.get("model name") or platform.processor() or platform.machine()
    flags = {*known.get("flags", known.get("features", "")).split()}
    telling = [flag for flag in _TELLING if flag in flags]
    return f"{name} ({', '.join(telling)})" if telling else name
