"""From a model file to a signed release: names, numbers, pictures, thresholds, report, upkeep."""

import base64
import html
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import cv2
import pytest
from edge_detector.contract.manifest import Layout
from rich.console import Console

from edge.release.conversion.inspection import Inspection, ModelHints
from edge.release.datasets.pictures import open_picture
from edge.release.errors import DatasetError, ModelFileError, RepositoryError
from edge.release.publishing import maintenance, measurement, summary
from edge.release.publishing.images import Images, find_images
from edge.release.publishing.measurement import Measurement, convert, count_images, measure
from edge.release.publishing.model import SourceModel, next_version, open_model
from edge.release.publishing.release import Published, measured, publish
from edge.release.publishing.report import PublishReport, render_html, spread
from edge.release.publishing.request import Place, Request
from edge.release.validation.candidate import Origin, make_candidate
from edge.release.validation.gate import Decision, Limits, decide
from edge.release.validation.timing import cpu_name
from tests.edge.device.samples import COCO_SSD, CONSTANT, DATA, YOLO, needs_data
from tests.edge.device.tiny import LABELS
from tests.edge.release.cells import (
    candidate_of,
    save_network,
    write_labelled,
    write_pictures,
    write_variant,
)
from tests.edge.release.squares import SQUARES, write_detector, write_squares


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(str(tmp_path / "releases"), tmp_path / "keys")


@pytest.fixture
def request_of(tmp_path, place):
    """Makes a request for a model."""

    def make(model: Path, **changes: Any) -> Request:
        defaults: dict[str, Any] = {"threads": (1,), "seconds": 0.05}
        return Request(tmp_path / "var", place, str(model), **{**defaults, **changes})

    return make


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return save_network(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return write_labelled(tmp_path_factory.mktemp("labelled"))


@pytest.fixture
def ready(tmp_path) -> Path:
    """A ready .tflite with labels beside it."""
    file = write_variant(tmp_path / "ready", "int8")
    (file.parent / "labels.txt").write_text("\n".join(LABELS))
    return file


def try_out(request: Request, folder: Path) -> tuple[SourceModel, Images, Measurement, Decision]:
    """All steps up to the decision."""
    model = open_model(request)
    images = find_images(request, folder / "scenes")
    converted = convert(request, model, images, folder)
    done: list[int] = []
    measurement = measure(request, model, images, converted, lambda: done.append(1))
    assert len(done) == count_images(converted, images)
    metrics = [validation.metrics for validation in measurement.validations]
    return model, images, measurement, decide(metrics, request.variant, request.limits)


def report_of(
    request: Request, folder: Path, published: Published | None = None, **changes: Any
) -> PublishReport:
    model, images, measurement, decision = try_out(request, folder)
    report = PublishReport(
        request=request,
        model=model,
        measurement=measurement,
        decision=decision,
        published=published,
        warnings=images.warnings,
        evaluated_on=images.evaluated_on,
        where={"report": "somewhere.html"},
        ended_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    )
    return replace(report, **changes)


class TestSubject:
    def test_network_is_tried_in_every_form(self, request_of, source):
        """Unless one is named."""
        model = open_model(request_of(source))

        assert model.variants == ("float32", "float16", "dynamic", "int8")
        assert (model.name, model.version, model.labels) == ("cells", "1.0.0", LABELS)
        assert open_model(request_of(source, variant="int8")).variants == ("int8",)

    def test_ready_file_is_published_as_it_is(self, request_of, ready):
        """Nobody can make another form of it."""
        model = open_model(request_of(ready))

        assert (model.variants, model.network) == (("as-is",), None)
        with pytest.raises(ModelFileError, match="which is published as it is, not as float16"):
            open_model(request_of(ready, variant="float16"))

    def test_network_cannot_be_published_as_it_is(self, request_of, source):
        """A device does not read it."""
        with pytest.raises(ModelFileError, match=r"is no \.tflite; choose float32"):
            open_model(request_of(source, variant="as-is"))

    def test_name_that_says_nothing_gives_way_to_the_folder(self, request_of, tmp_path):
        """model.keras in parts/ is parts; what a card says goes before."""
        folder = tmp_path / "My Parts 2"
        save_network(folder).rename(folder / "model.keras")

        assert open_model(request_of(folder / "model.keras")).name == "my-parts-2"
        card = {"name": "bolts", "thresholds": {"red": 0.3, "nobody": 0.9}}
        (folder / "card.json").write_text(json.dumps(card))
        model = open_model(request_of(folder / "model.keras"))
        assert (model.name, dict(model.thresholds)) == ("bolts", {"red": 0.3})

    @pytest.mark.parametrize(
        ("published", "version"),
        [([], "1.0.0"), (["1.2.9", "1.10.0", "0.1.0"], "1.10.1")],
    )
    def test_next_version_follows_the_highest(self, published, version):
        """By number, not by letters."""
        assert next_version(published) == version

    def test_name_that_leads_elsewhere_deletes_nothing(self, request_of, ready, tmp_path):
        """A name becomes a folder, which is made anew."""
        (tmp_path / "precious").mkdir()
        made = candidate_of(tmp_path, "int8")

        with pytest.raises(ModelFileError, match="cannot be called"):
            open_model(request_of(ready, name="../precious"))
        with pytest.raises(ModelFileError, match="name"):
            make_candidate(
                tmp_path / "precious",
                made.model,
                "int8",
                Origin("../precious", "1.0.0", LABELS, "0" * 64),
                Inspection(made.manifest.input, made.manifest.output),
                made.manifest.thresholds,
            )
        assert (tmp_path / "precious").is_dir()

    def test_names_that_the_model_contradicts_are_a_note(self, request_of, ready):
        """Without labelled images nothing else would show it."""
        with zipfile.ZipFile(ready, "a") as archive:
            archive.writestr("metadata.json", json.dumps({"names": list(reversed(LABELS))}))

        (note,) = open_model(request_of(ready)).notes

        assert note.startswith("metadata.json within ")

    def test_missing_file_says_what_can_be_given(self, request_of, tmp_path):
        """All forms."""
        with pytest.raises(ModelFileError, match=r"does not exist; give a \.keras"):
            open_model(request_of(tmp_path / "nothing.keras"))


class TestMaterial:
    def test_without_pictures_nothing_is_proved(self, request_of, ready, tmp_path):
        """It says what to give."""
        with pytest.raises(DatasetError, match="give labelled images by --evaluate-on, or at"):
            find_images(request_of(ready), tmp_path)

    def test_parts_of_a_folder_have_their_purpose(self, request_of, ready, tmp_path):
        """val is judged by, train gives int8 its ranges."""
        write_labelled(tmp_path / "data" / "train", count=3)
        write_labelled(tmp_path / "data" / "val", count=2, seed=50)

        found = find_images(request_of(ready, evaluate_on=tmp_path / "data"), tmp_path)

        assert found.dataset is not None and len(found.dataset) == 2
        assert {path.parent.name for path in found.calibration} == {"train"}
        assert {path.parent.name for path in found.golden_candidates} == {"val"}

    @pytest.mark.parametrize(
        ("parts", "measured", "warned"),
        [(("train", "test"), "test", False), (("train",), "train", True), (("",), "", False)],
    )
    def test_part_that_was_measured_is_told(
        self, request_of, ready, tmp_path, parts, measured, warned
    ):
        """And that a model knows by heart what it was trained on."""
        for number, part in enumerate(parts):
            write_labelled(tmp_path / "data" / part, count=2, seed=50 * number)

        found = find_images(request_of(ready, evaluate_on=tmp_path / "data"), tmp_path)

        place = f"{measured} of {tmp_path / 'data'}" if measured else f"{tmp_path / 'data'}"
        assert found.evaluated_on == f"{place}: 2 images"
        assert any("measured on train" in warning for warning in found.warnings) == warned

    def test_given_pictures_are_taken_as_they_are(self, request_of, ready, pictures, tmp_path):
        """A few; of many, the telling ones are chosen."""
        few = find_images(request_of(ready, golden=pictures), tmp_path)
        many = find_images(
            request_of(ready, golden=write_pictures(tmp_path / "many", count=12)), tmp_path
        )

        assert len(few.golden) == 4 and few.dataset is None
        assert not many.golden and len(many.golden_candidates) == 12

    def test_folder_without_pictures_is_an_error(self, request_of, ready, tmp_path):
        """Also for one that is not there."""
        with pytest.raises(DatasetError, match="holds no pictures"):
            find_images(request_of(ready, golden=tmp_path / "nothing"), tmp_path)

    def test_bundled_model_is_judged_on_scenes_of_its_own(self, request_of, tmp_path):
        """Rendered once, from seeds that no training draws from."""
        request = request_of(Path("bundled"), scenes=5)

        found, again = (find_images(request, tmp_path / "scenes") for _ in range(2))

        assert found.dataset is not None and len(found.dataset) == 5
        assert not {*found.calibration} & {image.path for image in found.dataset.images}
        assert again.dataset is not None and again.dataset.digest == found.dataset.digest


class TestTrial:
    def test_network_passes_in_every_form_and_the_best_is_chosen(
        self, request_of, source, images, tmp_path
    ):
        """All found in each; thresholds from the labelled images."""
        model, _, measurement, decision = try_out(request_of(source, evaluate_on=images), tmp_path)

        assert [verdict.passed for verdict in decision.verdicts] == [True] * 4
        assert measurement.source_evaluation is not None
        assert measurement.source_evaluation.map_50 == pytest.approx(1)
        validation = next(
            p for p in measurement.validations if p.candidate.variant == decision.chosen
        )
        assert set(validation.candidate.manifest.thresholds.per_label) == set(LABELS)
        assert validation.candidate.manifest.lineage.source_sha256 == model.digest

    def test_form_that_loses_is_refused_and_another_taken(self, request_of, images, tmp_path):
        """Eight bits ruin this network; float forms are whole."""
        crude = save_network(tmp_path / "crude", "crude")

        *_, decision = try_out(request_of(crude, evaluate_on=images), tmp_path / "work")

        by_variant = {verdict.variant: verdict for verdict in decision.verdicts}
        assert by_variant["float32"].passed
        assert any("mAP@0.5" in reason for reason in by_variant["int8"].reasons)
        assert decision.chosen not in (None, "int8")

    def test_named_form_that_loses_is_refused_alone(self, request_of, images, tmp_path):
        """Nothing else is published in its place."""
        crude = save_network(tmp_path / "crude", "crude")

        _, _, measurement, decision = try_out(
            request_of(crude, evaluate_on=images, variant="int8"), tmp_path / "work"
        )

        assert [validation.candidate.variant for validation in measurement.validations] == ["int8"]
        assert decision.chosen is None

    def test_blind_network_is_refused(self, request_of, pictures, tmp_path):
        """Without labelled images, too."""
        blind = save_network(tmp_path / "blind", "blind")

        *_, decision = try_out(request_of(blind, golden=pictures), tmp_path / "work")

        assert decision.chosen is None
        assert all("the same to every picture" in reason for reason in decision.reasons)

    def test_given_threshold_goes_before_all_others(self, request_of, ready, images, tmp_path):
        """Before what labelled images say."""
        request = request_of(ready, evaluate_on=images, score_threshold=0.33)

        _, _, measurement, _ = try_out(request, tmp_path / "work")

        thresholds = measurement.validations[0].candidate.manifest.thresholds
        assert (thresholds.score, dict(thresholds.per_label)) == (0.33, {})

    def test_slow_model_is_refused(self, request_of, ready, pictures, tmp_path):
        """Slower than stated."""
        limits = Limits(max_latency_ms=1e-4)

        *_, decision = try_out(request_of(ready, golden=pictures, limits=limits), tmp_path)

        assert "more than 0.0001 ms" in decision.reasons[0]

    def test_form_that_contradicts_its_shape_is_refused(self, request_of, tmp_path):
        """Without labelled images nothing else would tell."""
        file = write_detector(tmp_path / "e2e", "e2e_numbered")
        (file.parent / "labels.txt").write_text("red\ngreen\n")
        golden = tmp_path / "golden"
        golden.mkdir()
        for number, picture in enumerate(SQUARES):
            cv2.imwrite(str(golden / f"{number}.png"), picture)

        with pytest.raises(ModelFileError, match="an end-to-end output"):
            try_out(request_of(file, golden=golden), tmp_path / "work")

        request = request_of(file, golden=golden, hints=ModelHints(layout="yolo_v5"))
        _, _, measurement, _ = try_out(request, tmp_path / "work")
        assert "although" in measurement.notes[0]

    def test_background_of_an_ssd_is_left_out_of_the_release(self, request_of, tmp_path):
        """Its labelled squares are all found, under their names."""
        file = write_detector(tmp_path / "ssd", "ssd")
        (file.parent / "labels.txt").write_text("background\nred\ngreen\n")
        images = write_squares(tmp_path / "images")

        _, _, measurement, decision = try_out(
            request_of(file, evaluate_on=images), tmp_path / "work"
        )

        assert measurement.validations[0].candidate.manifest.labels == ("red", "green")
        assert measurement.validations[0].metrics.accuracy is not None
        assert measurement.validations[0].metrics.accuracy.map_50 == pytest.approx(1)
        assert any("background, was left out" in note for note in measurement.notes)
        assert decision.chosen == "as-is"


class TestPublish:
    def test_release_carries_model_pictures_and_figures(
        self, request_of, ready, images, place, tmp_path
    ):
        """Signed, on its channel, with what was measured."""
        request = request_of(ready, evaluate_on=images, channel="canary", share=0.5)
        _, _, measurement, decision = try_out(request, tmp_path / "work")
        assert decision.chosen == "as-is"

        published = publish(request, measurement.validations[0])

        assert published.created
        repository = place.open()
        (listed,) = repository.releases("canary")
        assert (listed.name, listed.version, listed.share) == ("int8", "1.0.0", 0.5)
        manifest = repository.manifest("int8", "1.0.0")
        accuracy = manifest.measured["accuracy"]
        assert isinstance(accuracy, dict) and accuracy["map_50"] == 1.0
        assert manifest.lineage.data_sha256 is not None
        with pytest.raises(RepositoryError, match=r"1\.0\.0 is published already.* 1\.0\.1"):
            open_model(request_of(ready, version="1.0.0"))
        assert open_model(request_of(ready)).version == "1.0.1"

    def test_variant_of_the_same_file_and_machine_is_remembered(
        self, request_of, ready, pictures, tmp_path, monkeypatch
    ):
        """Until the file or the machine is another, or the release is taken back."""
        request = request_of(ready, golden=pictures)
        assert open_model(request).before is None
        _, _, measurement, _ = try_out(request, tmp_path / "work")
        publish(request, measurement.validations[0])

        assert open_model(request).before == "as-is"
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr("edge.release.publishing.model.cpu_name", lambda: "another")
            assert open_model(request).before is None
        other = ready.with_name("other.tflite")
        other.write_bytes(ready.read_bytes() + b"\0")
        assert open_model(request_of(other, golden=pictures, name="int8")).before is None
        maintenance.withdraw(request.place, "int8", "1.0.0", "misses nuts")
        assert open_model(request).before is None

    def test_figures_are_plain_json(self, request_of, source, images, tmp_path):
        """With parity and the source's accuracy where there is a source."""
        _, _, measurement, _ = try_out(
            request_of(source, evaluate_on=images, variant="float32"), tmp_path
        )

        found = measured(measurement.validations[0].metrics)

        assert json.loads(json.dumps(found)) == found
        assert {"cpu", "timings", "accuracy", "source", "parity"} == set(found)


class TestReport:
    @pytest.fixture
    def report(self, request_of, ready, images, tmp_path) -> PublishReport:
        return report_of(request_of(ready, evaluate_on=images), tmp_path / "work")

    def test_page_needs_nothing_from_elsewhere(self, report):
        """Pictures and curves are inside."""
        page = render_html(report)
        pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
        assert len(pictures) == 4
        for picture in map(base64.b64decode, pictures):
            assert open_picture(Path("golden"), picture).image.any()
            assert picture.endswith(b"\xff\xd9")  # whole
        assert "<svg" in page and "as-is passed. Nothing was published: this was a dry run" in page
        assert not re.search(r"https?://(?!www\.w3\.org)", page)

    def test_words_from_outside_are_escaped(self, report):
        """On the page, in markdown, and on the terminal."""
        hostile = "<script>alert(1)</script> [red]x[/red] | ](http://evil)"
        report = replace(report, warnings=(hostile,))

        assert "<script>" not in render_html(report)
        markdown = summary.render_markdown(report)
        assert "<script>" not in markdown.replace("\\<script\\>", "")
        assert "http://evil" not in markdown
        console = Console(width=200, record=True, file=io.StringIO())
        console.print(summary.render_terminal(report), soft_wrap=True)
        assert hostile in console.export_text()

    def test_refusal_has_a_page_with_its_reasons(self, request_of, pictures, tmp_path):
        """And the terminal says so in capitals."""
        blind = write_variant(tmp_path / "blind", "float32", "blind")
        (blind.parent / "labels.txt").write_text("\n".join(LABELS))

        report = report_of(request_of(blind, golden=pictures), tmp_path / "work")

        assert report.state == "refused"
        page = render_html(report)
        assert "Refused. Nothing was published." in page
        assert "the same to every picture: 64 boxes" in page
        assert "REFUSED" in summary.render_markdown(report)
        assert summary.render_table(report)[0]["gate"] != "chosen"

    def test_reader_sees_what_the_figures_rest_on(self, report):
        """The rounds' spread, the processor, and which names were taken from where."""
        facts = report.facts
        assert facts["measured on"] == cpu_name()
        assert facts["labels"].endswith("labels.txt (one name a line): 3 names, red to blue")
        assert facts["evaluated on"].endswith(": 8 images")
        assert facts["read as"] == "points; of rgb (pixel - 0) / 255, letterbox"
        low, high = report.rows[0].metrics.timing.spread_ms
        assert low <= report.rows[0].metrics.timing.p50_ms <= high
        console = Console(width=300, record=True, file=io.StringIO())
        console.print(summary.render_terminal(report), soft_wrap=True)
        for text in (console.export_text(), html.unescape(render_html(report))):
            assert all(fact in text for fact in facts.values())
            assert spread(report.rows[0].metrics.timing) in text
        assert "one name a line" in summary.render_markdown(report)
        assert "–" in str(summary.render_table(report)[0]["frame"])

    def test_table_fits_a_terminal_of_eighty_columns(self, report):
        """No column is cut off, the gate least of all."""
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(summary.render_terminal(report), soft_wrap=True)

        head, row = console.export_text().splitlines()[1:3]
        assert head.split()[-1] == "gate" and row.split()[-1] == "chosen"
        assert "…" not in row

    def test_unmeasured_accuracy_is_a_note(self, request_of, ready, pictures, tmp_path):
        """A reader must not take silence for quality."""
        report = report_of(request_of(ready, golden=pictures), tmp_path / "work")

        assert "There were no labelled images" in report.notes[0]
        assert summary.render_table(report)[0]["mAP@0.5"] == "–"


class TestMaintenance:
    @pytest.fixture
    def published(self, request_of, ready, pictures, place: Place, tmp_path) -> Place:
        request = request_of(ready, golden=pictures, channel="canary", share=0.5)
        _, _, measurement, _ = try_out(request, tmp_path / "work")
        publish(request, measurement.validations[0])
        return place

    def test_release_is_promoted_rolled_out_and_withdrawn(self, published):
        """Its name is found by its version."""
        maintenance.promote(published, None, "1.0.0", "stable", 0.1)
        maintenance.roll_out(published, None, "1.0.0", "stable", 1.0)
        done = maintenance.withdraw(published, "int8", "1.0.0", "misses nuts")

        repository = published.open()
        assert [release.withdrawn for release in repository.releases("stable")] == ["misses nuts"]
        assert repository.releases("stable")[0].share == 1.0
        assert done.sentences == ("int8 1.0.0 is withdrawn: misses nuts",)

    def test_release_that_no_device_takes_is_told(
        self, published, request_of, ready, pictures, tmp_path
    ):
        """A newer one that all may take goes before it; nobody would notice for a while."""
        request = request_of(ready, golden=pictures, version="1.1.0", share=0.5)
        _, _, measurement, _ = try_out(request, tmp_path / "work")
        publish(request, measurement.validations[0])

        some = maintenance.promote(published, None, "1.0.0", "stable", 1.0)
        newer = maintenance.roll_out(published, None, "1.1.0", "stable", 1.0)
        none = maintenance.promote(published, None, "1.0.0", "stable", 1.0)
        maintenance.withdraw(published, None, "1.1.0", "misses nuts")
        again = maintenance.roll_out(published, None, "1.0.0", "stable", 1.0)

        assert none.warnings == (
            "no device takes 1.0.0 while stable offers 1.1.0: withdraw that first",
        )
        assert (some.warnings, newer.warnings, again.warnings) == ((), (), ())

    def test_keys_are_replaced_and_signatures_renewed(self, published):
        """What was done is said, with the files."""
        rotated = maintenance.rotate(published, "timestamp")
        renewed = maintenance.renew(published)

        assert "timestamp-2.pem" in rotated.sentences[0]
        assert renewed.sentences == ("nothing is due yet",)

    def test_status_shows_releases_and_expiry(self, published):
        """And the fingerprint that devices pin."""
        console = Console(width=200, record=True, file=io.StringIO())
        console.print(maintenance.render_status(published))
        text = console.export_text()

        assert re.search(r"canary +int8 +1\.0\.0 +50%", text)
        assert "root-1, root-2, root-3" in text
        assert published.open().status().fingerprint in text

    def test_unknown_version_is_named(self, published):
        """It says where to look."""
        with pytest.raises(RepositoryError, match=r"no release has the version 9\.9\.9"):
            maintenance.withdraw(published, None, "9.9.9", "why not")


@needs_data
class TestRealModels:
    @pytest.fixture
    def try_real(self, request_of, tmp_path):
        """Tries a ready file on ordinary photos, and names what it finds on one of them."""

        def attempt(model: Path, labels: str) -> tuple[Decision, Measurement]:
            request = request_of(model, labels=DATA / "labels" / labels, golden=DATA / "photos")
            _, _, measurement, decision = try_out(request, tmp_path / "work")
            return decision, measurement

        return attempt

    @pytest.mark.parametrize(
        ("model", "labels"),
        [
            (COCO_SSD, "coco_ssd_labelmap_nazmul.txt"),
            (YOLO, "nxp_coco-labels-2014_2017.txt"),
        ],
    )
    def test_good_files_pass_as_they_are(self, try_real, model, labels):
        """On four photos: a cat; a person with a tie; two dogs; cars."""
        decision, measurement = try_real(model, labels)

        assert decision.chosen == "as-is"
        golden = measurement.validations[0].candidate.manifest.golden
        found = [sorted(found.label for found in picture.detections) for picture in golden]
        assert found[:3] == [["cat"], ["person", "tie"], ["dog", "dog"]]
        assert set(found[3]) == {"car"}

    def test_file_that_answers_the_same_to_everything_is_refused(self, try_real):
        """With that reason."""
        decision, _ = try_real(CONSTANT, "coco_ssd_labelmap_nazmul.txt")

        assert decision.reasons == (
            "as-is: it answers the same to every picture: 10 boxes at 0.50 (first: person)",
        )


def test_every_layout_has_usual_thresholds():
    """A layout that is added is not forgotten here."""
    layouts = set(get_args(Layout))

    assert set(measurement._USUAL_SCORE) == layouts == set(measurement._USUAL_OVERLAP)
