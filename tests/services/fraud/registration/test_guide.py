"""What the guide to networks of one's own tells people to type."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from flows.register_fraud import RegisterFraud
from services.fraud.registration.network_file import NetworkOptions
from services.fraud.registration.packaging import package_network
from services.modelling.keras import open_keras
from tasks.orchestration.parameters import options_in
from tests.guides import ROOT, examples

PAGE = "services/fraud/BRING_YOUR_OWN.md"


def test_network_with_names_scaling_and_known_rows_is_packaged(tmp_path, monkeypatch):
    """The command's options are the flow's, and the files that it names are as the page says."""
    monkeypatch.chdir(tmp_path)
    ((_, _, flow, *arguments),) = examples(PAGE, "Networks")
    assert flow == "flows.register_fraud"
    keras = open_keras()
    layers = [keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")]
    keras.Sequential(layers).save("fraud_detection_model.h5")
    Path("names.txt").write_text("Time\nV1\nAmount\n")
    Path("scaling.csv").write_text("name,mean,scale\nTime,9000,100\nAmount,88,250\n")
    Path("known.csv").write_text("Time,V1,Amount\n" + "9100,0.5,20\n" * 5)

    given: dict[str, Any] = options_in(arguments)
    params = RegisterFraud(**given)
    options = NetworkOptions(params.features, params.scaling, known=params.known)
    card = package_network(params.model_file, params.threshold, tmp_path, options=options)

    assert card.names == ("Time", "V1", "Amount")
    assert {feature.typical for feature in card.features} <= {9100.0, 0.5, 20.0, 9000.0, 88.0, None}


def test_scaling_is_written_out_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / PAGE).read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    exec(code, {"scaler": SimpleNamespace(mean_=np.zeros(2), scale_=np.ones(2))})
    assert json.loads(Path("scaling.json").read_text()) == {"mean": [0, 0], "scale": [1, 1]}
