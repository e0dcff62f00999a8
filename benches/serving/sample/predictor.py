"""The server of AWS's sample of an own container: flask behind gunicorn, pandas for the body, a model per worker.

Source: the structure of aws/amazon-sagemaker-examples, `scikit_bring_your_own/container/decision_trees/predictor.py`.
"""

import io
import os
import pickle
from pathlib import Path

import flask
import pandas as pd

app = flask.Flask(__name__)


class ScoringService:
    """The model, loaded by the first who asks."""

    model = None

    @classmethod
    def get_model(cls):
        """The model."""
        if cls.model is None:
            cls.model = pickle.loads(Path(os.environ["MODEL"]).read_bytes())
        return cls.model

    @classmethod
    def predict(cls, rows):
        """Probabilities of the rows."""
        return cls.get_model().predict_proba(rows)[:, 1]


@app.route("/ping", methods=["GET"])
def ping():
    """Whether there is a model."""
    healthy = ScoringService.get_model() is not None
    return flask.Response(response="\n", status=200 if healthy else 404, mimetype="application/json")


@app.route("/invocations", methods=["POST"])
def transformation():
    """CSV in, CSV out."""
    if flask.request.content_type != "text/csv":
        return flask.Response(response="This predictor only supports CSV data", status=415, mimetype="text/plain")
    rows = pd.read_csv(io.StringIO(flask.request.data.decode("utf-8")), header=None)
    out = io.StringIO()
    pd.DataFrame({"results": ScoringService.predict(rows)}).to_csv(out, header=False, index=False)
    return flask.Response(response=out.getvalue(), status=200, mimetype="text/csv")
