"""Other ways to serve the same network, each a process of its own.

    python -m tests.benchmarks.peers.fraud_peers flask|fastapi|starlette|litserve MODEL_FOLDER PORT

- flask: the original script; it loads the Keras network and calls `predict` for each request.
- fastapi: with the same types that the service checks requests by, and the TFLite form.
- starlette: with orjson and the TFLite form, and no check at all: the limit.
- litserve: the TFLite form behind LitServe's own server.
"""

import os
import sys
from pathlib import Path
from typing import Any

THRESHOLD = 0.5


def scorer(folder: Path) -> Any:
    from services.fraud.scoring.scorer import FraudScorer

    return FraudScorer(folder, "peer")


def flask(port: int, folder: Path) -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import numpy as np
    from flask import Flask, jsonify, request

    app, model = Flask(__name__), keras.models.load_model(folder / "model.keras")

    @app.post("/detect_fraud")  # type: ignore[untyped-decorator]
    def detect_fraud() -> Any:
        data = np.array(request.get_json()["transaction_data"]).reshape(1, -1)
        prediction = model.predict(data)
        return jsonify({"is_fraud": bool(prediction[0][0] > THRESHOLD)})

    app.run(port=port)


def fastapi(port: int, folder: Path) -> None:
    import uvicorn
    from fastapi import FastAPI

    from services.fraud.scoring.model_input import HANDBOOK_INPUT
    from services.fraud.scoring.schema import DetectAnswer

    app, model = FastAPI(), scorer(folder)

    @app.post("/detect_fraud")
    async def detect_fraud(asked: HANDBOOK_INPUT.request) -> DetectAnswer:  # type: ignore[name-defined]
        probability = model.probability(asked.transaction_data)
        return DetectAnswer(
            is_fraud=probability >= THRESHOLD,
            probability=probability,
            threshold=THRESHOLD,
            model="peer",
            request_id="none",
        )

    uvicorn.run(app, port=port, access_log=False, log_level="warning")


def starlette(port: int, folder: Path) -> None:
    import orjson
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    model = scorer(folder)

    async def detect_fraud(request: Request) -> Response:
        data = orjson.loads(await request.body())["transaction_data"]
        probability = model.probability(data)
        answer = {"is_fraud": probability >= THRESHOLD, "probability": probability}
        return Response(orjson.dumps(answer), media_type="application/json")

    app = Starlette(routes=[Route("/detect_fraud", detect_fraud, methods=["POST"])])
    uvicorn.run(app, port=port, access_log=False, log_level="warning")


def litserve(port: int, folder: Path) -> None:
    from tests.benchmarks.peers.litserve_peer import serve

    serve(port, folder)


PEERS = {"flask": flask, "fastapi": fastapi, "starlette": starlette, "litserve": litserve}

if __name__ == "__main__":
    PEERS[sys.argv[1]](int(sys.argv[3]), Path(sys.argv[2]))
