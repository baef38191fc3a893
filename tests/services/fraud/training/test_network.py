"""The network: what it learns, that it learns the same again, and that both forms agree."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from services.fraud.errors import ModelError, TransactionsError
from services.fraud.scoring.card import Card
from services.fraud.scoring.evaluation import average_precision
from services.fraud.training.baseline import logistic_baseline
from services.fraud.training.candidate import history_missing, make_candidate, prepare_data
from services.fraud.training.conversion import check_parity, tflite_probabilities
from services.fraud.training.few_rows import recipe_for
from services.fraud.training.network import Recipe, amount_step, fit
from services.fraud.transactions.features import FEATURES
from services.modelling.keras import open_keras, open_tensorflow
from tests.services.fraud.conftest import TINY

pytestmark = pytest.mark.slow


def test_candidate_learns_and_says_how_well(model_folder):
    """Even a tiny network, trained for seconds, ranks frauds far above chance."""
    card = Card.read(model_folder)

    assert card.metrics is not None and card.baseline_metrics is not None
    assert (card.metrics.auc_roc or 0) > 0.7
    chance = card.metrics.frauds / card.metrics.rows
    assert (card.metrics.average_precision or 0) > 3 * chance
    assert (card.metrics.share_of_oracle or 0) > 0.3
    assert card.metrics.rows == card.baseline_metrics.rows
    assert card.recipe["max_epochs"] == 6


def test_training_leaves_the_process_as_it_was():
    """Determinism counts for all of a process: who comes after, and has no seed, needs none."""
    tensorflow = open_tensorflow()
    rows = np.random.default_rng(0).random((64, len(FEATURES)))

    fit(rows, np.arange(64) % 4 == 0, Recipe(widths=(2,), branches=1, updates=1, max_epochs=1))

    first = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), first.Session() as session:
        assert 0 <= float(session.run(first.random_uniform(()))) < 1


def test_training_again_gives_the_same_network(training_data, model_folder, tmp_path):
    """Bit by bit, progress told or not; another seed gives another."""
    told: list[int] = []
    make_candidate(training_data, TINY, tmp_path / "same", alerts_per_day=10, show=told.append)
    train = training_data.split.train
    other = fit(training_data.rows[train], training_data.is_fraud[train], replace(TINY, seed=1))

    rows = training_data.rows[:1_000]
    answers = [
        tflite_probabilities(folder / "model.tflite", rows)
        for folder in (model_folder, tmp_path / "same")
    ]
    assert (answers[0] == answers[1]).all()
    others = other.predict(rows.astype(np.float32), verbose=0)[:, 0]
    assert np.abs(answers[0] - others).max() > 1e-3  # the two forms of one differ by 1e-5
    assert told == [1, 2, 3, 4, 5, 6]
    known = Card.read(model_folder).model_dump(exclude={"trained_at"})
    assert Card.read(tmp_path / "same").model_dump(exclude={"trained_at"}) == known


def test_saved_network_opens_without_this_package(model_folder, tmp_path):
    """It is made of Keras's own operations, in safe mode."""
    program = (
        "import sys, keras, numpy\n"
        "network = keras.models.load_model(sys.argv[1], safe_mode=True)\n"
        "print(network.predict(numpy.ones((3, 15), 'float32'), verbose=0).shape)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(model_folder / "model.keras")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.stdout.splitlines()[-1:] == ["(3, 1)"], process.stderr


def test_answers_stay_finite_for_any_amount(model_folder):
    """Zero, the largest that a file may hold, and features that were never seen."""
    rows = np.zeros((4, len(FEATURES)))
    rows[1], rows[2], rows[3, 0] = 1e12, -1.0, 1e12

    answers = tflite_probabilities(model_folder / "model.tflite", rows)

    assert np.isfinite(answers).all() and (answers >= 0).all() and (answers <= 1).all()


def test_forms_that_differ_are_refused(training_data, model_folder):
    """The largest difference and the row are told."""
    network = open_keras().models.load_model(model_folder / "model.keras")
    network.set_weights([weights * 1.01 for weights in network.get_weights()])

    with pytest.raises(ModelError, match=r"differ by .* where 1e-05 is allowed"):
        check_parity(network, model_folder / "model.tflite", training_data.rows[:100])


def test_parity_is_proven_on_ten_thousand_rows_even_from_few(training_data, model_folder):
    """Their values are mixed anew."""
    network = open_keras().models.load_model(model_folder / "model.keras")
    parity = check_parity(network, model_folder / "model.tflite", training_data.rows[:100])

    assert parity.rows == 10_000
    assert parity.largest_difference < 1e-5


def test_step_is_where_frauds_and_genuine_amounts_part():
    """Whether or not there are frauds on both sides; None for a handful."""
    amounts = np.arange(1_000) / 4
    draws = np.random.default_rng(0)
    is_fraud = (amounts > 220) | (draws.random(1_000) < 0.02)

    assert amount_step(amounts, is_fraud) == pytest.approx(220.125)
    assert amount_step(amounts, amounts > 220) == pytest.approx(220.125)
    assert amount_step(amounts, amounts > 248.9) is None
    assert amount_step(np.ones(20), np.arange(20) > 9) is None
    assert amount_step(np.zeros(0), np.zeros(0)) is None


def test_recipe_passes_over_few_rows_more_often():
    """About as many updates, whatever the number of rows, but no more than twenty passes."""
    recipe = Recipe(updates=6_000, batch_rows=256, max_epochs=20)

    assert [recipe.epochs(rows) for rows in (100, 67_240, 270_000, 5_000_000)] == [20, 20, 6, 1]


@pytest.mark.parametrize("by_meaning", [True, False])
def test_network_of_few_rows_begins_as_the_regression(by_meaning):
    """Before it learns, it answers as that one does."""
    recipe = Recipe(widths=(2,), branches=2, learning_rate=0.0).begun_as_regression()
    assert recipe.max_epochs == 8
    rows = np.random.default_rng(0).random((600, len(FEATURES))).astype(np.float32)
    is_fraud = rows[:, 0] > 0.9
    rows[:, 0] *= 1e-8  # however little a feature varies

    network = fit(rows, is_fraud, recipe, by_meaning=by_meaning)

    found = network.predict(rows, verbose=0)[:, 0]
    assert found == pytest.approx(logistic_baseline(rows, is_fraud, rows), abs=1e-5)


def test_few_rows_are_learnt_in_the_way_that_is_better_on_those_held_out():
    """From the regression on where frauds are a sum of features, as ever where they are not."""
    recipe = Recipe(widths=(16,), branches=1, max_epochs=20, batch_rows=32, learning_rate=3e-2)
    draws = np.random.default_rng(0)
    rows = draws.standard_normal((300, 12)).astype(np.float32)
    summed = draws.random(300) < 1 / (1 + np.exp(3 - 3 * rows[:, 0] + 2 * rows[:, 1]))
    pairs = draws.standard_normal((600, 2)).astype(np.float32)
    crossed = pairs[:, 0] * pairs[:, 1] > 0.5

    ways = [
        recipe_for(table, kind, recipe, by_meaning=False)
        for table, kind in ((rows, summed), (pairs, crossed))
    ]

    assert [way.from_regression for way in ways] == [True, False]
    assert recipe_for(rows, np.arange(300) < 5, recipe, by_meaning=False).from_regression
    many = np.zeros((5_000, 4), np.float32)
    assert recipe_for(many, np.arange(5_000) < 9, recipe, by_meaning=False) == recipe


def test_baseline_ranks_like_a_logistic_regression_and_survives_a_constant_feature():
    """Its probabilities are calibrated on its own rows."""
    draws = np.random.default_rng(0)
    rows = draws.standard_normal((4_000, 15))
    rows[:, 3] = 5.0
    truth = draws.random(4_000) < 1 / (1 + np.exp(4 - 2 * rows[:, 0] + rows[:, 1]))

    found = logistic_baseline(rows, truth, rows)

    assert found.mean() == pytest.approx(truth.mean(), abs=1e-4)
    assert average_precision(truth, found) > 0.4


def test_split_that_cannot_be_made_says_what_would_be_right(transactions):
    """Too few days, no labels, nothing to learn, no rows."""
    with pytest.raises(TransactionsError, match="take fewer --train-days"):
        prepare_data(transactions, train_days=60)
    with pytest.raises(TransactionsError, match="or another --test-start"):
        prepare_data(transactions, start_test=date(2018, 5, 29))
    with pytest.raises(TransactionsError, match="no column is_fraud"):
        prepare_data(transactions.drop(columns="is_fraud"))
    with pytest.raises(TransactionsError, match="hold no fraud"):
        prepare_data(transactions.assign(is_fraud=False))
    with pytest.raises(TransactionsError, match="no transactions"):
        prepare_data(transactions.head(0))


def test_split_ends_with_the_last_day(training_data):
    """And tells when the windows of the first train day are not full."""
    assert training_data.periods() == {
        "train": "2018-05-10 to 2018-05-16",
        "test": "2018-05-24 to 2018-05-30",
    }
    assert history_missing(training_data) == 0
    assert history_missing(prepare_data(training_data.table, train_days=30)) == 21


def test_training_leaves_the_terminal_alone(model_folder, tmp_path):
    """Neither TensorFlow nor its converter says a word, in a fresh process."""
    program = (
        "import sys, numpy; from pathlib import Path\n"
        "from services.fraud.training.network import Recipe, fit\n"
        "from services.fraud.training.candidate import write_forms\n"
        "rows = numpy.random.default_rng(0).random((500, 15))\n"
        "network = fit(rows, rows[:, 0] > 0.9, Recipe(widths=(4,), branches=1, max_epochs=1))\n"
        "write_forms(network, Path(sys.argv[1]))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
