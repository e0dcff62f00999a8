"""Model files: load, score, explain, save."""

from __future__ import annotations

from churn_model import _native


class Model(_native.Model):
    """A fitted model with its feature schema, calibrator and threshold."""

    __slots__ = ()
