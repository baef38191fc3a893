"""A night of transactions: every row answered as over HTTP, and a wrong one alone left out."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.fraud import night
from services.fraud.errors import TransactionsError
from services.fraud.scoring.scorer import FraudScorer
from tests.services.fraud.running import GENUINE, ROOT, promoted


@pytest.fixture(scope="module")
def scorer(model_folder):
    return FraudScorer(model_folder, "fraud_detector:1")


def write(file, rows, names, **more):
    columns = {name: np.array(rows)[:, place] for place, name in enumerate(names)}
    pq.write_table(pa.table({**columns, **more}), file)
    return file


def test_rows_get_the_answers_of_one_at_a_time(scorer, tmp_path):
    rows = np.tile(GENUINE, (50, 1))
    amounts = [0, 4, 6, 8]
    rows[:, amounts] = np.abs(np.random.default_rng(0).normal(rows[:, amounts], 50))
    source = write(tmp_path / "in.parquet", rows, scorer.input.names)
    scored = night.score_table(source, tmp_path / "out.parquet", scorer)
    found = pq.read_table(tmp_path / "out.parquet")
    wanted = [scorer.probability(row) for row in rows.tolist()]
    assert found["probability"].to_pylist() == pytest.approx(wanted, abs=1e-5)
    assert found["is_fraud"].to_pylist() == [p >= scorer.threshold for p in wanted]
    assert set(found["model"].to_pylist()) == {scorer.tag}
    assert (scored.rows, scored.refused) == (50, 0)


def test_order_and_ids_are_those_of_the_input_across_batches(scorer, tmp_path, monkeypatch):
    """Columns may stand in any order, and others beside them."""
    monkeypatch.setattr(night, "ROWS_AT_ONCE", 7)
    rows = np.tile(GENUINE, (30, 1))
    rows[:, 0] = np.arange(30)
    ids = [f"t{place}" for place in range(30)]
    names = scorer.input.names
    source = write(tmp_path / "in.parquet", rows[:, ::-1], names[::-1], transaction_id=ids)
    night.score_table(source, tmp_path / "out.parquet", scorer)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found["transaction_id"].to_pylist() == ids
    wanted = [scorer.probability(row) for row in rows.tolist()]
    assert found["probability"].to_pylist() == pytest.approx(wanted, abs=1e-5)


def test_wrong_row_fails_alone(scorer, tmp_path):
    """A missing, a negative and an infinite feature get no answer; their neighbours do."""
    rows = np.tile(GENUINE, (5, 1))
    rows[1, 3], rows[2, 0], rows[3, 14] = np.nan, -1, np.inf
    source = write(tmp_path / "in.parquet", rows, scorer.input.names)
    scored = night.score_table(source, tmp_path / "out.parquet", scorer)
    found = pq.read_table(tmp_path / "out.parquet")
    missing = [answer is None for answer in found["probability"].to_pylist()]
    assert missing == [False, True, True, True, False]
    assert [answer is None for answer in found["is_fraud"].to_pylist()] == missing
    assert (scored.rows, scored.refused) == (5, 3)


def test_row_whose_features_contradict_each_other_gets_no_answer(scorer, tmp_path):
    """As over HTTP: a risk is a share, and 30 days hold what one does."""
    rows = np.tile(GENUINE, (4, 1))
    rows[1, 10], rows[2, 1], rows[3, 3] = 27, 5, rows[3, 7] + 1
    source = write(tmp_path / "in.parquet", rows, scorer.input.names)
    assert night.score_table(source, tmp_path / "out.parquet", scorer).refused == 3
    found = pq.read_table(tmp_path / "out.parquet")["probability"].to_pylist()
    assert [answer is None for answer in found] == [False, True, True, True]


def test_missing_feature_is_named_and_nothing_is_written(scorer, tmp_path):
    source = write(tmp_path / "in.parquet", [[1.0, 2.0]], ["TX_AMOUNT", "other"])
    with pytest.raises(TransactionsError, match=r"lacks TX_DURING_WEEKEND.*reads 15 features"):
        night.score_table(source, tmp_path / "out.parquet", scorer)
    assert [file.name for file in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no more"])
def test_file_that_is_no_parquet_is_told_in_a_line(scorer, tmp_path, content):
    source = tmp_path / "in.parquet"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(TransactionsError) as fault:
        night.score_table(source, tmp_path / "out.parquet", scorer)
    assert str(source) in str(fault.value) and "\n" not in str(fault.value)
    assert not (tmp_path / "out.parquet").exists()


def run(home, source, output):
    return subprocess.run(
        [sys.executable, "-m", "services.fraud.night", "--source", source, "--output", output],
        cwd=ROOT,
        env={"PATH": "", "TRIPTYCH_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_command_scores_with_the_champion(scorer, model_folder, tmp_path):
    promoted(model_folder, tmp_path / "home")
    source = write(tmp_path / "in.parquet", [GENUINE] * 3, scorer.input.names)
    ran = run(tmp_path / "home", source, tmp_path / "out.parquet")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("3 rows, ")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 3


def test_command_without_a_champion_says_what_to_do(tmp_path):
    ran = run(tmp_path / "home", tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert ran.returncode == 1
    assert ran.stderr == "error: there is no model: train one with python -m flows.train_fraud\n"
