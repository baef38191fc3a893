"""One way to run a detector over a video, timed, in a process and an environment of its own.

    python edge_peers.py WAY FOLDER VIDEO [--threads N] [--runtime NAME]

WAY: original, original+mp4, bare, ours, ours+mp4. FOLDER: model.tflite with its manifest.json.
Prints one JSON object. Needs edge_detector and nothing else of the project, so that it runs in an
environment with another runtime.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from edge_detector.capture.camera import open_camera
from edge_detector.capture.source import parse_source
from edge_detector.cli.run import SWITCH_S
from edge_detector.contract.manifest import Manifest
from edge_detector.inference.detector import Detector, Prepared
from edge_detector.inference.overlay import draw
from edge_detector.loop.pipeline import Pipeline
from edge_detector.outputs.video import VideoFile

BARE_FRAMES = 200  # decoded, that are gone through again and again
BARE_S = 4.0


def original(detector: Detector, video: Path, writes: bool) -> dict[str, float]:
    """The original script: read, resize, infer, draw, one after the other.

    It showed the frame; here it is drawn on, and written where the video is wanted.
    """
    capture: Any = cv2.VideoCapture(str(video))  # its frames are any arrays to the type checker
    latencies: list[float] = []
    writer = None
    folder = tempfile.TemporaryDirectory()
    began = time.perf_counter()
    while True:
        started = time.perf_counter()
        ok, frame = capture.read()
        if not ok:
            break
        draw(frame, detector.detect(frame))
        if writes:
            if writer is None:
                size = frame.shape[1::-1]
                code = cv2.VideoWriter.fourcc(*"mp4v")
                writer = cv2.VideoWriter(f"{folder.name}/out.mp4", code, 25.0, size)
            writer.write(frame)
        latencies.append((time.perf_counter() - started) * 1e3)
    seconds = time.perf_counter() - began
    if writer is not None:
        writer.release()
    folder.cleanup()
    p50, p99 = np.percentile(latencies, [50, 99])
    return {"rate": len(latencies) / seconds, "p50_ms": float(p50), "p99_ms": float(p99)}


def bare(detector: Detector, video: Path) -> dict[str, float]:
    """The interpreter alone, on frames that are decoded and fitted: no loop can be faster."""
    capture: Any = cv2.VideoCapture(str(video))
    prepared: list[Prepared] = []
    while len(prepared) < BARE_FRAMES:
        ok, frame = capture.read()
        if not ok:
            break
        prepared.append(detector.prepare(frame))
    latencies: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < BARE_S:
        for each in prepared:
            started = time.perf_counter()
            detector.infer(each)
            latencies.append((time.perf_counter() - started) * 1e3)
    p50, p99 = np.percentile(latencies, [50, 99])
    seconds = time.perf_counter() - began
    return {"rate": len(latencies) / seconds, "p50_ms": float(p50), "p99_ms": float(p99)}


class Drawn:
    """Wants every picture, as a window would, and shows it to nobody."""

    name = "nobody"

    def wants_picture(self, _frame: object) -> bool:
        return True

    def write(self, _result: object) -> None:
        pass

    def close(self) -> None:
        pass


def ours(detector: Detector, video: Path, writes: bool) -> dict[str, float]:
    """The device's loop, set up as `run` does it."""
    sys.setswitchinterval(SWITCH_S)
    cv2.setNumThreads(1)
    camera = open_camera(parse_source(str(video)))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        file = VideoFile(out, camera.fps, live=False) if writes else None
        pipeline = Pipeline(camera, detector, [file or Drawn()])
        pipeline.start()
        pipeline.wait()
        pipeline.close()
        camera.close()
    total = pipeline.metrics.latency_ms()["total"]
    return {"rate": pipeline.metrics.rate, "p50_ms": total["p50"], "p99_ms": total["p99"]}


def main() -> None:
    """Run one way and print its figures."""
    parser = argparse.ArgumentParser()
    ways = ("original", "original+mp4", "bare", "ours", "ours+mp4")
    parser.add_argument("way", choices=ways)
    parser.add_argument("folder", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runtime", default="auto")
    given = parser.parse_args()
    manifest = Manifest.from_json((given.folder / "manifest.json").read_bytes())
    model = given.folder / manifest.model.file
    detector = Detector(model, manifest, threads=given.threads, runtime=given.runtime)
    detector.warm_up()
    writes = given.way.endswith("+mp4")
    if given.way == "bare":
        figures = bare(detector, given.video)
    elif given.way.startswith("original"):
        figures = original(detector, given.video, writes)
    else:
        figures = ours(detector, given.video, writes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    print(json.dumps({**figures, "memory_mb": peak / 1e6, "runtime": detector.runtime_name}))


if __name__ == "__main__":
    main()
