"""The fraud model that other tests have trained."""

from tests.services.fraud.conftest import model_folder, training_data, transactions

__all__ = ["model_folder", "training_data", "transactions"]
