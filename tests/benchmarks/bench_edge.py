"""The device's loop beside the original script's and the bare interpreter.

    python -m tests.benchmarks.bench_edge [--rounds N] [--threads N] [--data FOLDER] [--quick]

Publishes the bundled model, and takes each of its variants over a rendered clip; with --data, a
folder that holds `detection` and `video`, also coco_ssd over car-detection.mp4. Both runtimes:
ai-edge-litert from here, tflite-runtime from an environment that is made in var/benchmarks (that
needs Python 3.11). All ways in turns, each in a process of its own; of several rounds the medians
count. Prints a table and writes var/benchmarks/edge.json, with the machine, after each model. A
way that gives no figures is shown as such.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.comparison import NO_ANSWER, NOTHING, format_metric, format_ratio, keep
from tests.benchmarks.machine import describe_machine

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers" / "edge_peers.py"
HOME = ROOT / "var" / "benchmarks"
WAYS = ("original", "bare", "ours", "original+mp4", "ours+mp4")
VARIANTS = ("float32", "float16", "dynamic", "int8")
FIGURES = ("rate", "p50_ms", "p99_ms", "memory_mb")
Metrics = dict[str, float]
console = Console(highlight=False)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of the interpreter")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--quick", action="store_true", help="int8 alone, a short clip")
    parser.add_argument("--output", type=Path, default=HOME / "edge.json")
    given = parser.parse_args()
    environment = {**os.environ, "TRIPTYCH_HOME": str(HOME / "edge")}
    cases = bundled(environment, given.quick)
    if given.quick:
        console.print("quick: int8 alone")
    elif (given.data / "video").is_dir():
        cases.append(coco(environment, given.data))
    else:
        console.print(f"no {given.data}/video: coco_ssd is left out")
    pythons = {"ai-edge-litert": Path(sys.executable)}
    if not given.quick and (old := older_runtime()):
        pythons["tflite-runtime"] = old
    results: dict[str, Any] = {"machine": describe_machine(), "cases": {}}
    for name, folder, video in cases:
        for runtime, python in pythons.items():
            case = f"{name}, {runtime}"
            rounds = measure(python, folder, video, given.threads, given.rounds)
            results["cases"][case] = rounds
            keep(results, given.output)
            show(case, {way: median_of(found) for way, found in rounds.items()})
    console.print(f"written: {given.output}")


def bundled(environment: dict[str, str], quick: bool) -> list[tuple[str, Path, Path]]:
    """The bundled model's variants, and a clip of a minute; or one of them, and a short clip."""
    clip = HOME / "edge" / ("short.mp4" if quick else "conveyor.mp4")
    run(environment, "-m", "edge.release.clip", str(clip), "--seconds", "20" if quick else "60")
    proof = ("--variant", "int8", "--scenes", "100", "--timing-s", "0.2") if quick else ()
    publish(environment, "--model", "bundled", "--dry-run", *proof)
    folder = newest(HOME / "edge" / "detectors" / "publishing", "triptych-parts-*")
    variants = ("int8",) if quick else VARIANTS
    return [(f"triptych-parts {variant}", folder / variant, clip) for variant in variants]


def coco(environment: dict[str, str], data: Path) -> tuple[str, Path, Path]:
    """A ready model on a real video."""
    models = data / "detection" / "models"
    labels = data / "detection" / "labels"
    publish(
        environment,
        *("--model", str(models / "coco_ssd_mobilenet_v1_1.0_quant_detect.tflite")),
        *("--labels", str(labels / "coco_ssd_labelmap_nazmul.txt")),
        *("--golden", str(data / "detection" / "photos"), "--name", "coco-ssd", "--dry-run"),
    )
    folder = newest(HOME / "edge" / "detectors" / "publishing", "coco-ssd-*")
    return "coco_ssd uint8", folder / "as-is", data / "video" / "car-detection.mp4"


def publish(environment: dict[str, str], *arguments: str) -> None:
    """Convert and prove; the folder of each variant stays."""
    run(environment, "-m", "flows.publish_detector", *arguments)


def run(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True)


def newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime)


def older_runtime() -> Path | None:
    """The interpreter of an environment with tflite-runtime, made if need be."""
    if sys.version_info >= (3, 12):
        console.print("tflite-runtime has no package for this Python: left out")
        return None
    folder = HOME / "tflite-runtime"
    python = folder / "bin" / "python"
    package = f"{ROOT / 'edge' / 'device'}[tflite]"
    if python.exists() and not subprocess.run([python, "-c", "import tflite_runtime"]).returncode:
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
    except subprocess.CalledProcessError as error:
        console.print(f"tflite-runtime cannot be installed, and is left out: {error}")
        return None
    return python


def measure(
    python: Path, folder: Path, video: Path, threads: int, rounds: int
) -> dict[str, list[Metrics]]:
    """The figures of each way in each round; none of a way that failed."""
    seen: dict[str, list[Metrics]] = defaultdict(list)
    for _ in range(rounds):
        for way in WAYS:
            command = [str(python), str(PEERS), way, str(folder), str(video)]
            done = subprocess.run(
                [*command, "--threads", str(threads)], capture_output=True, text=True
            )
            if done.returncode:
                console.print(f"{way}: {NO_ANSWER}: {(done.stderr.splitlines() or [NOTHING])[-1]}")
            told = {} if done.returncode else json.loads(done.stdout.splitlines()[-1])
            seen[way].append({name: told[name] for name in FIGURES if name in told})
    return dict(seen)


def median_of(rounds: Sequence[Metrics]) -> Metrics:
    """The median of each figure over the rounds that have it."""
    return {
        name: statistics.median(found)
        for name in FIGURES
        if (found := [each[name] for each in rounds if name in each])
    }


def show(case: str, results: dict[str, Metrics]) -> None:
    """A table, and the ratios that matter."""
    table = Table("way", "frames/s", "p50 ms", "p99 ms", "memory MB", title=case)
    patterns = (",.1f", ".2f", ".2f", ".0f")
    for way, figures in results.items():
        cells = (
            format_metric(figures.get(name), pattern)
            for name, pattern in zip(FIGURES, patterns, strict=True)
        )
        table.add_row(way, *cells)
    console.print(table)
    for mine, theirs in (("ours", "bare"), ("ours", "original"), ("ours+mp4", "original+mp4")):
        ratio = format_ratio(results[mine].get("rate"), results[theirs].get("rate"))
        console.print(f"frames per second, {mine} : {theirs} = {ratio}")


if __name__ == "__main__":
    main()
