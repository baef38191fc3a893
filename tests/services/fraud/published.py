"""The published transactions of the Fraud Detection Handbook, where they lie beside the project."""

from pathlib import Path

import pytest

FILE = (
    Path(__file__).parents[4]
    / "shared/data/fraud/handbook_transactions_2018-06-11_2018-08-14.parquet"
)
needs_published = pytest.mark.skipif(
    not FILE.exists(), reason="the published transactions are not beside the project"
)
