"""Files for phones, made once for all tests of a process."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast, get_args

import pytest
from edge_detector.contract.manifest import Thresholds

from edge.release.conversion.convert import ConvertedVariant
from edge.release.conversion.inspection import inspect_model
from edge.release.publishing.phones import make_for_phones
from edge.release.validation.candidate import Candidate, Origin, make_candidate
from tests.edge.release.cells import candidate_of
from tests.edge.release.squares import COLOURS, SQUARES, write_detector

THRESHOLDS = Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={})


@pytest.fixture(scope="session")
def phone_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Candidate, ...]]:
    """Of a variant of cells, or a form of squares: the network, and its file for phones."""

    @cache
    def make(form: str) -> tuple[Candidate, ...]:
        folder = tmp_path_factory.mktemp("phone")
        is_cells = form in get_args(ConvertedVariant)
        network = (
            candidate_of(folder, cast(ConvertedVariant, form))
            if is_cells
            else _squares(folder, form)
        )
        return network, make_for_phones(network, folder)

    return make


def _squares(folder: Path, form: str) -> Candidate:
    file = write_detector(folder, form)
    inspection = inspect_model(file, COLOURS, SQUARES)
    origin = Origin("squares", "1.0.0", COLOURS, "0" * 64)
    return make_candidate(folder / form, file, "as-is", origin, inspection, THRESHOLDS)
