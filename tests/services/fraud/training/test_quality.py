"""The network on the Fraud Detection Handbook's baseline week.

The simulator makes its transactions; `tests.benchmarks.bench_fraud_quality` has all the figures.
"""

from datetime import UTC, datetime, timedelta

import pytest

from services.fraud.scoring.evaluation import baseline_split
from services.fraud.training.candidate import TrainingData, make_candidate
from services.fraud.training.network import Recipe
from services.fraud.transactions.features import HISTORY_DAYS, table_features

pytestmark = pytest.mark.slow

START = datetime(2018, 7, 25, tzinfo=UTC)


def test_network_is_at_least_as_good_as_the_handbooks_own(published_table, tmp_path):
    """Trained on the same week, and tested on the same; also in its TFLite form."""
    reached = (START - timedelta(days=HISTORY_DAYS), START + timedelta(days=21))  # by any window
    table = published_table[
        published_table["time"].between(*(instant.timestamp() for instant in reached))
    ].reset_index(drop=True)
    data = TrainingData(
        table, table_features(table), baseline_split(table, START.date()), digest=""
    )

    card = make_candidate(data, Recipe(), tmp_path)

    found, baseline = card.metrics, card.baseline_metrics
    assert found is not None and baseline is not None
    assert (found.rows, found.frauds) == (58_264, 385)
    assert (found.auc_roc or 0) >= 0.864
    assert (found.average_precision or 0) >= 0.653
    assert found.card_precision >= 0.286
    assert found.calibration_error <= 0.003
    assert card.parity.rows == 58_264 and card.parity.largest_difference <= 1e-5
    # scikit-learn's logistic regression has 0.871, 0.606 and 0.291.
    assert baseline.auc_roc == pytest.approx(0.871, abs=0.002)
    assert baseline.average_precision == pytest.approx(0.606, abs=0.002)
    assert baseline.card_precision == pytest.approx(0.291, abs=0.002)
