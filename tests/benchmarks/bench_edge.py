"""The device's loop beside the original script's and the bare interpreter.

    python -m tests.benchmarks.bench_edge [--rounds N] [--threads N] [--data FOLDER] [--quick]

Publishes the bundled model, and takes each of its variants over a rendered clip; with --data, a
folder that holds `detection` and `video`, also coco_ssd over car-detection.mp4. Both runtimes:
ai-edge-litert from here, tflite-runtime from an environment that is made in var/benchmarks (that
needs Python 3.11). All ways in turns, each in a process of its own; of several rounds the medians
count. Prints a table and writes var/benchmarks/edge.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers" / "edge_peers.py"
HOME = ROOT / "var" / "benchmarks"
WAYS = ("original", "bare", "ours", "original+mp4", "ours+mp4")
VARIANTS = ("float32", "float16", "dynamic", "int8")
Metrics = dict[str, float]
console = Console(highlight=False)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of the interpreter")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--quick", action="store_true", help="int8 alone, one round")
    given = parser.parse_args()
    environment = {**os.environ, "TRIPTYCH_HOME": str(HOME / "edge")}
    cases = bundled(environment, ("int8",) if given.quick else VARIANTS)
    if (given.data / "video").is_dir():
        cases.append(coco(environment, given.data))
    else:
        console.print(f"no {given.data}/video: coco_ssd is left out")
    pythons = {"ai-edge-litert": Path(sys.executable)}
    if not given.quick and (old := older_runtime()):
        pythons["tflite-runtime"] = old
    results: dict[str, dict[str, Metrics]] = {}
    for name, folder, video in cases:
        for runtime, python in pythons.items():
            case = f"{name}, {runtime}"
            rounds = 1 if given.quick else given.rounds
            results[case] = measure(python, folder, video, given.threads, rounds)
            show(case, results[case])
    (HOME / "edge.json").write_text(json.dumps(results, indent=1))
    console.print(f"written: {HOME / 'edge.json'}")


def bundled(environment: dict[str, str], variants: tuple[str, ...]) -> list[tuple[str, Path, Path]]:
    """The bundled model's variants, and a clip of a minute."""
    clip = HOME / "edge" / "conveyor.mp4"
    run(environment, "-m", "edge.release.clip", str(clip), "--seconds", "60")
    publish(environment, "--model", "bundled", "--dry-run")
    folder = newest(HOME / "edge" / "detectors" / "publishing", "triptych-parts-*")
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
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        package = f"{ROOT / 'edge' / 'device'}[tflite]"
        subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
    return python


def measure(
    python: Path, folder: Path, video: Path, threads: int, rounds: int
) -> dict[str, Metrics]:
    """The median of each figure of each way over some rounds."""
    seen: dict[str, list[Metrics]] = defaultdict(list)
    for _ in range(rounds):
        for way in WAYS:
            command = [str(python), str(PEERS), way, str(folder), str(video)]
            done = subprocess.run(
                [*command, "--threads", str(threads)], capture_output=True, text=True, check=True
            )
            seen[way].append(json.loads(done.stdout.splitlines()[-1]))
    keys = ("rate", "p50_ms", "p99_ms", "memory_mb")
    return {
        way: {key: statistics.median(each[key] for each in found) for key in keys}
        for way, found in seen.items()
    }


def show(case: str, results: dict[str, Metrics]) -> None:
    """A table, and the two ratios that matter."""
    table = Table("way", "frames/s", "p50 ms", "p99 ms", "memory MB", title=case)
    for way, figures in results.items():
        table.add_row(
            way,
            f"{figures['rate']:,.1f}",
            f"{figures['p50_ms']:.2f}",
            f"{figures['p99_ms']:.2f}",
            f"{figures['memory_mb']:.0f}",
        )
    console.print(table)
    rates = {way: figures["rate"] for way, figures in results.items()}
    console.print(
        f"ours: {rates['ours'] / rates['bare']:.0%} of the bare interpreter,"
        f" {rates['ours'] / rates['original']:.2f} x the original loop;"
        f" writing a video {rates['ours+mp4'] / rates['original+mp4']:.2f} x"
    )


if __name__ == "__main__":
    main()
