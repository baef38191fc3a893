"""The TFLite form behind LitServe, whose worker processes import the class by its module."""

from pathlib import Path
from typing import Any

import litserve

from services.fraud.scoring.scorer import FraudScorer

THRESHOLD = 0.5


class FraudApi(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, folder: Path) -> None:
        super().__init__(api_path="/detect_fraud")
        self._folder = folder

    def setup(self, device: str) -> None:
        self._model = FraudScorer(self._folder, "peer")

    def decode_request(self, request: dict[str, Any]) -> list[float]:
        data: list[float] = request["transaction_data"]
        return data

    def predict(self, x: list[float]) -> float:
        return self._model.probability(x)

    def encode_response(self, output: float) -> dict[str, Any]:
        return {"is_fraud": output >= THRESHOLD, "probability": output}


def serve(port: int, folder: Path) -> None:
    server = litserve.LitServer(FraudApi(folder), accelerator="cpu", workers_per_device=1)
    server.run(port=port, host="127.0.0.1", generate_client_file=False, log_level="error")
