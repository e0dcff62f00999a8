"""Scores inside Flink, by the same native code as everywhere else.

A model becomes a function of Flink's Table API and SQL that scores a whole batch of rows at a time. It travels with the job
as the bytes of its file, and each Python worker loads it once. Needs `pip install 'churn-model[flink]'`.

Examples
--------
>>> from churn_model.flink import scorer  # doctest: +SKIP
>>> environment.create_temporary_function("churn_score", scorer("model.safetensors"))  # doctest: +SKIP
>>> environment.sql_query("SELECT tenant, churn_score(industry, logins_28) FROM features")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from churn_model._engines import check_columns, loaded
from churn_model.model import Model

if TYPE_CHECKING:
    import pandas as pd
    from pyflink.table import Table as FlinkTable


def scorer(model: Model | bytes | str | os.PathLike[str]) -> Any:
    """A function for Flink that scores rows.

    Parameters
    ----------
    model : Model, bytes or path
        A model, a model file, or where one lies; it is read here.

    Returns
    -------
    pyflink.table.udf.UserDefinedScalarFunctionWrapper
        It takes the features in the order of the model's schema, `model.feature_names`, and gives the score of each row:
        the probability of churn inside the label horizon. NULL is missing.
    """
    from pyflink.table import DataTypes
    from pyflink.table.udf import udf

    scored_by = loaded(model)

    def score_rows(*columns: Any) -> pd.Series[Any]:
        import pandas as pd

        # What Flink knows to be the same in all rows, as after `WHERE logins = 12`, comes as one value.
        n_rows = max((len(column) for column in columns if isinstance(column, pd.Series)), default=1)
        whole = [column if isinstance(column, pd.Series) else pd.Series([column] * n_rows) for column in columns]
        scores = scored_by.score(dict(zip(scored_by.feature_names, whole, strict=True)), n_jobs=1)
        return pd.Series(np.atleast_1d(scores))

    return udf(score_rows, result_type=DataTypes.DOUBLE(), func_type="pandas", name="churn_score")


def score(table: FlinkTable, model: Model | bytes | str | os.PathLike[str], *, keep: Iterable[str]) -> FlinkTable:
    """Scores the rows of a Flink table.

    Columns are matched by name against the model's schema.

    Parameters
    ----------
    table : pyflink.table.Table
        A row per tenant, with a column for each feature; it may be a stream of rows that never ends.
    model : Model, bytes or path
        A model, a model file, or where one lies; it is read here, and sent to the workers with the job.
    keep : iterable of str
        Columns that stay in the result, such as the tenant.

    Returns
    -------
    pyflink.table.Table
        The columns kept, and `score`: the probability of churn inside the label horizon.

    Raises
    ------
    ColumnError
        When the model needs a column that is not there.
    """
    from pyflink.table.expressions import col

    scored_by = loaded(model)
    check_columns(scored_by, table.get_schema().get_field_names())
    features = [col(name) for name in scored_by.feature_names]
    return table.select(*(col(name) for name in keep), scorer(scored_by)(*features).alias("score"))
