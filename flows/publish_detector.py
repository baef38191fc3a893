"""From a trained or ready-made detector to a signed release that devices can trust."""

from pathlib import Path
from typing import Annotated, Literal

from prefect import flow
from pydantic import AliasChoices, Field

from tasks import publish_detector as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, LocalName, LocalPath

_VERSION = r"^(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}$"  # as a device's manifest has it


class PublishDetector(FlowParameters):
    """Convert a detector, validate each form of it on pictures, and publish the best one, signed.

    Nothing is published that fails the gate; the report is written either way. What is published
    already is looked after by manage_releases.
    """

    moved_to = "manage_releases"
    moved = ("withdraw", "reason", "promote", "roll_out", "rotate", "renew", "list_releases")
    moved_with = ("name", "channel", "share")

    model: LocalName = Field(
        min_length=1,
        description="a .keras or .h5 file, a SavedModel folder, a ready .tflite, or bundled",
    )
    labels: LocalPath | None = Field(
        None,
        description="names of the classes: one a line, .pbtxt, .yaml or .json; by default"
        " labels.txt beside the model, or what it carries itself",
    )
    name: str | None = Field(
        None, pattern=steps.NAME, description="of the release; by default the model's"
    )
    version: str | None = Field(
        None, pattern=_VERSION, description="such as 1.2.0; by default the next"
    )
    for_: Literal["devices", "phones"] = Field(
        "devices",
        validation_alias=AliasChoices("for", "for_"),
        description="phones: with a file besides that MediaPipe Tasks opens as it is; it is proved",
    )
    channel: Literal["stable", "canary"] = Field("stable", description="which devices it is for")
    share: float = Field(1.0, ge=0, le=1, description="of the channel's devices that may take it")
    variant: Literal["auto", "float32", "float16", "dynamic", "int8", "as-is"] = Field(
        "auto",
        description="the form; auto takes the fastest that passes, beyond what measuring varies by,"
        " else the smallest",
    )
    evaluate_on: LocalPath | None = Field(
        None,
        description="folder of labelled images (Pascal VOC, COCO or YOLO) that the model was not"
        " trained on; its val, if it has one",
    )
    golden: LocalPath | None = Field(
        None,
        description="folder of pictures that travel with the release, for the devices' own test;"
        " by default chosen from evaluate_on",
    )
    calibrate_on: LocalPath | None = Field(
        None,
        description="folder of pictures by which int8 finds its ranges; by default the train of"
        " evaluate_on, or what else there is",
    )
    scenes: int = Field(
        200, ge=5, le=10_000, description="rendered for the bundled model without evaluate_on"
    )
    layout: Literal["auto", "points", "ssd", "yolo_v5", "yolo_v8", "end_to_end"] = Field(
        "auto",
        description="what the model answers; named, it is taken although answers look like another",
    )
    input_size: str | None = Field(
        None, pattern=r"^\d+x\d+$", description="HEIGHTxWIDTH, if the model leaves it open"
    )
    mean: float | None = Field(None, description="a model reads (pixel - mean) / std")
    std: float | None = Field(None, gt=0, description="by default as usual for its layout")
    colour_order: Literal["rgb", "bgr"] = Field("rgb", description="that the model reads")
    fit: Literal["auto", "letterbox", "stretch"] = Field(
        "auto", description="how a frame becomes the input; auto stretches for ssd alone"
    )
    score_threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="from which a detection counts; by default what labelled images tell, or"
        " 0.5 (ssd 0.6, yolo 0.4)",
    )
    overlap: float | None = Field(
        None, ge=0, le=1, description="of two boxes that show one thing; by default 0.6, yolo 0.5"
    )
    max_detections: int = Field(100, ge=1, le=1_000, description="in a frame")
    max_map_loss: float = Field(
        0.02, ge=0, le=1, description="gate: share of the source's mAP@0.5 that may be lost"
    )
    max_map_50_95_loss: float = Field(
        0.05, ge=0, le=1, description="gate: the same of mAP@[.5:.95]"
    )
    min_map_50: float = Field(0.2, ge=0, le=1, description="gate: mAP@0.5 that is needed")
    min_agreement: float = Field(
        0.9, ge=0, le=1, description="gate: share of golden objects on which the source agrees"
    )
    max_float32_difference: float = Field(
        1e-3, ge=0, description="gate: of outputs, as share of the largest value"
    )
    max_float16_difference: float = Field(0.02, ge=0, description="gate: the same of float16")
    max_latency_ms: float | None = Field(
        None, gt=0, description="gate: p50 from frame to detections, one thread, on this machine"
    )
    max_size_mb: float | None = Field(None, gt=0, description="gate: of the model file")
    threads: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (1, 2), min_length=1, description="to time it with"
    )
    device_pythons: tuple[Path, ...] = Field(
        (),
        description="Python programs of other environments, to time it in: with numpy, OpenCV and"
        " another runtime",
    )
    timing_s: float = Field(1.5, gt=0, le=60, description="how long each timing takes, in rounds")
    dry_run: bool = Field(False, description="do everything but publish")


@flow(name="publish-detector", flow_run_name=steps.name_run)
def publish_detector(params: PublishDetector) -> steps.Outcome:
    """Open, gather, convert, measure, judge, publish, report."""
    request = steps.open_request(params)
    model = steps.open_model(request)
    images = steps.gather(request)
    with steps.alone_in_folder(request, model):
        converted = steps.convert(request, model, images)
        measurement = steps.measure(request, model, images, converted)
        decision = steps.judge(request, measurement)
        decision, phones = steps.prove_for_phones(request, model, measurement, decision)
        published = steps.publish(request, model, measurement, decision, phones)
        outcome: steps.Outcome = steps.report(
            request, model, images, measurement, decision, published, phones
        )
    return steps.conclude(outcome)


COMMAND = FlowCommand(PublishDetector, publish_detector, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.publish_detector")
