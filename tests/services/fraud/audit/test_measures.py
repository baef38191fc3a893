"""Promises of the audit's figures."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from services.fraud.audit.answers import epoch_s, read_day
from services.fraud.audit.measures import Audit, Period, audit
from services.fraud.audit.run import write_audit
from services.fraud.audit.verdict import Limits, judge
from services.fraud.log.database import Database
from services.fraud.log.rows import LABELS, PREDICTIONS
from services.fraud.log.tables import Label, Prediction
from services.fraud.scoring.card import Card
from services.fraud.scoring.evaluation import (
    auc_roc,
    average_precision,
    card_precision,
    expected_calibration_error,
)
from tests.services.fraud.answered import (
    CHAMPION,
    RUN_DATE,
    SHADOW,
    THRESHOLD,
    Traffic,
    a_card,
    draw_traffic,
    write_traffic,
)

PERIOD = Period(RUN_DATE, days=3, delay_days=2)
CARD = a_card()


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return draw_traffic(PERIOD.first - timedelta(days=1), days=7, per_day=300, fraud_share=0.05)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.prepare()
    yield database
    database.close()


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'log.db'}"


@pytest.fixture
def sqlite_database(sqlite_url) -> Iterator[Database]:
    database = Database(sqlite_url)
    database.prepare()
    yield database
    database.close()


def audited(database: Database, period: Period = PERIOD, shadow: Card | None = None) -> Audit:
    known = {CHAMPION: CARD, SHADOW: shadow}
    days = ((day, read_day(database, day)) for day in period.all_days)
    return audit(days, period, CHAMPION, known.get)


def rows_of(database: Database, table: str) -> list[dict[str, Any]]:
    with database.transaction(writes=False) as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()
        rows = [dict(row) for row in found]
    return sorted(rows, key=lambda row: str(list(row.values())))


def test_figures_equal_those_computed_directly(database, database_url, traffic):
    """From the log and through SQL, each day and all together, as the evaluation gives them."""
    write_traffic(database_url, traffic)
    found = audited(database)

    for one in found.days[: PERIOD.days]:
        rows = traffic.on(one.day, one.day)
        truth, probability = rows["label"].to_numpy(), rows["probability"].to_numpy()
        assert (one.answers, one.labelled, one.frauds) == (300, 300, int(truth.sum()))
        assert one.auc_roc == pytest.approx(auc_roc(truth, probability))
        assert one.average_precision == pytest.approx(average_precision(truth, probability))
        assert one.calibration_error == pytest.approx(
            expected_calibration_error(truth, probability)
        )
        day = np.zeros(len(rows))
        direct = card_precision(day, rows["customer"].to_numpy(), probability, truth)
        assert one.card_precision_100 == pytest.approx(direct)
        flagged = rows[rows["probability"] >= THRESHOLD]
        assert (one.flagged, one.alerts) == (len(flagged), flagged["customer"].nunique())
        assert one.alert_budget == CARD.alerts_per_day

    champion = found.model(CHAMPION)
    rows = traffic.on(PERIOD.first, PERIOD.last_labelled)
    assert champion is not None and champion.metrics is not None
    assert champion.metrics.rows == len(rows)
    assert champion.metrics.average_precision == pytest.approx(
        average_precision(rows["label"].to_numpy(), rows["probability"].to_numpy())
    )
    days = rows["day"].map(lambda day: day.toordinal()).to_numpy()
    assert champion.metrics.card_precision == pytest.approx(
        card_precision(
            days,
            rows["customer"].to_numpy(),
            rows["probability"].to_numpy(),
            rows["label"].to_numpy(),
        )
    )


def test_labels_of_young_days_are_not_used(sqlite_database, sqlite_url, traffic):
    """They are there already, but not complete: such days count answers alone."""
    write_traffic(sqlite_url, traffic)
    found = audited(sqlite_database)

    assert [one.day for one in found.days] == PERIOD.all_days
    young = found.days[PERIOD.days :]
    assert [one.answers for one in young] == [300] * PERIOD.delay_days
    assert {(o.labelled, o.frauds, o.auc_roc, o.average_precision) for o in young} == {(None,) * 4}
    champion = found.model(CHAMPION)
    assert champion is not None and champion.metrics is not None
    assert champion.metrics.rows == 300 * PERIOD.days
    assert champion.answers == 300 * 5


def test_shadow_is_compared_with_what_was_answered(sqlite_database, sqlite_url, traffic):
    """Its own threshold decides; it is measured by the same labels."""
    write_traffic(sqlite_url, traffic, shadow=SHADOW)
    found = audited(sqlite_database, shadow=CARD.model_copy(update={"threshold": 0.3}))

    (shadow,) = [model for model in found.models if model.role == "shadow"]
    rows = traffic.on(PERIOD.first, RUN_DATE - timedelta(days=1))
    difference = (rows["shadow"] - rows["probability"]).abs()
    equal = (rows["shadow"] >= 0.3) == (rows["probability"] >= THRESHOLD)
    assert shadow is not None and shadow.metrics is not None
    assert shadow.equal_decisions == pytest.approx(equal.mean())
    assert shadow.mean_difference == pytest.approx(difference.mean())
    assert shadow.largest_difference == pytest.approx(difference.max())
    labelled = traffic.on(PERIOD.first, PERIOD.last_labelled)
    assert shadow.metrics.auc_roc == pytest.approx(
        auc_roc(labelled["label"].to_numpy(), labelled["shadow"].to_numpy())
    )
    champion = found.model(CHAMPION)
    assert champion is not None and champion.equal_decisions is None


def test_audit_run_again_leaves_the_same_rows(database, database_url, traffic):
    """Metrics are replaced by day; those of other days stay."""
    write_traffic(database_url, traffic, shadow=SHADOW)
    earlier = Period(RUN_DATE - timedelta(days=1), PERIOD.days, PERIOD.delay_days)
    write_audit(database, audited(database, earlier), "run-1")
    write_audit(database, audited(database), "run-2")
    once = {name: rows_of(database, name) for name in ("fraud_daily_metrics", "fraud_drift")}
    write_audit(database, audited(database), "run-2")

    again = {name: rows_of(database, name) for name in ("fraud_daily_metrics", "fraud_drift")}
    assert again == once
    days = {row["day"] for row in once["fraud_daily_metrics"]}
    assert len(days) == 6 and len(once["fraud_daily_metrics"]) == 12
    assert {row["run_id"] for row in once["fraud_daily_metrics"]} == {"run-1", "run-2"}


def test_audit_of_nothing_finds_nothing(sqlite_database):
    """No answers at all, and no champion either."""
    days = ((day, read_day(sqlite_database, day)) for day in PERIOD.all_days)
    found = audit(days, PERIOD, None, lambda _: None)
    assert (found.days, found.models, found.drift, found.slow_ms) == ((), (), (), None)
    write_audit(sqlite_database, found, "run")


def test_drift_is_measured_without_any_label(sqlite_database, sqlite_url, traffic):
    """Also on days whose labels are not complete."""
    write_traffic(sqlite_url, traffic, labelled=False)
    found = audited(sqlite_database)
    assert {one.day for one in found.drift} == set(PERIOD.all_days)
    champion = found.model(CHAMPION)
    assert champion is not None and champion.metrics is None


def test_transaction_answered_twice_counts_once(sqlite_database):
    """As when the state was lost between a request and its retry."""
    rows = [_answer("r1", "t1", 0.9), _answer("r2", "t1", 0.1), _answer("r3", None, 0.2)]
    rows.append(_answer("r4", None, 0.2))
    with sqlite_database.transaction(writes=True) as connection:
        PREDICTIONS.insert(connection, rows)
    answers = read_day(sqlite_database, PERIOD.first)
    assert answers["probability"].tolist() == [0.9, 0.2, 0.2]


def test_answer_to_features_alone_counts_on_the_day_it_was_given(sqlite_database):
    """Nobody knows when its transaction was, nor whose card it concerns."""
    with sqlite_database.transaction(writes=True) as connection:
        rows = [
            _answer("r1", None, 0.9)._replace(transaction_time=None, customer_id=None),
            _answer("r2", "t2", 0.9)._replace(transaction_time=None, customer_id=None),
        ]
        PREDICTIONS.insert(connection, rows)
        LABELS.insert(connection, [Label("t2", True, 0.0, 0.0)])
    (one,) = audited(sqlite_database).days
    assert (one.day, one.answers, one.flagged, one.alerts) == (PERIOD.first, 2, 2, 2)
    assert (one.labelled, one.frauds, one.card_precision_100) == (1, 1, None)
    assert (one.auc_roc, one.average_precision) == (None, None)


def test_frauds_alone_have_no_average_precision(sqlite_database, sqlite_url, traffic):
    """Any model would have 1.0 by them; and it is known of how many answers they are."""
    write_traffic(sqlite_url, traffic, labelled=False)
    rows = traffic.on(PERIOD.first, PERIOD.last_labelled)
    frauds = rows[rows["label"]]
    with sqlite_database.transaction(writes=True) as connection:
        labels = [Label(key, True, 0.0, 0.0) for key in frauds["transaction_id"]]
        LABELS.insert(connection, labels)
    found = audited(sqlite_database)

    champion = found.model(CHAMPION)
    assert champion is not None and champion.metrics is not None
    assert champion.metrics.rows == len(frauds)
    assert champion.metrics.average_precision is None
    verdict = judge(found, Limits(min_frauds=1))
    assert verdict.quality == "unknown"
    assert f"Of {len(rows)} answers {len(frauds)} are labelled" in verdict.reasons[0]


def test_day_is_read_in_the_types_that_are_computed_with(sqlite_database):
    """An empty day too."""
    empty = read_day(sqlite_database, PERIOD.first)
    assert empty.empty and isinstance(empty, pd.DataFrame)
    assert empty["probability"].dtype == float and empty["flagged"].dtype == bool


def _answer(request_id: str, transaction_id: str | None, probability: float) -> Prediction:
    time = epoch_s(PERIOD.first) + 3_600
    return Prediction(
        request_id=request_id,
        endpoint="/score_transaction",
        transaction_id=transaction_id,
        customer_id="c",
        terminal_id="t",
        amount=1.0,
        transaction_time=time,
        answered_at=time + float(request_id[1:]),
        model=CHAMPION,
        probability=probability,
        threshold=THRESHOLD,
        is_fraud=probability >= THRESHOLD,
        shadow_model=None,
        shadow_probability=None,
        state_age_s=None,
        degraded="no_snapshot",
        latency_ms=1.0,
        features=[1.0] * 15,
    )
