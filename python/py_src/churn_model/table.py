"""Tables that events and observations are handed out in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from churn_model import _native

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Table(_native.Table):
    """Columns with names, held as Arrow record batches.

    Everything that reads Arrow through its C stream interface (polars, pyarrow, DuckDB, pandas, the estimators and
    models of this package) takes a table as it is, without a copy. None of them has to be installed.

    Parameters
    ----------
    data : object
        Anything with `__arrow_c_stream__` or `__arrow_c_array__`.

    Examples
    --------
    >>> import churn_model as cm
    >>> table = cm.simulate_companies(3, seed=1)
    >>> table.n_rows, table.column_names[:2]
    (3, ['Company', 'Industry'])
    >>> table.column("Churn").dtype
    dtype('int64')
    """

    __slots__ = ()

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The values of a column, shape (n_rows,)."""
        return self.column(name)

    def select(self, names: str | Sequence[str]) -> Table:
        """Some of the columns, or one, in the order given.

        Raises
        ------
        ColumnError
            When there is no column of a name.
        """
        return Table(super().select([names] if isinstance(names, str) else list(names)))

    def drop(self, names: str | Sequence[str]) -> Table:
        """All columns but these, or this one.

        Raises
        ------
        ColumnError
            When there is no column of a name.
        """
        names = [names] if isinstance(names, str) else list(names)
        super().select(names)
        return self.select([name for name in self.column_names if name not in names])

    def to_pandas(self) -> pd.DataFrame:
        """As a pandas data frame; dictionary columns are categories, dates are `datetime64`, missing is NaN or None."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install 'churn-model[pandas]'") from error
        columns: dict[str, Any] = {}
        for name in self.column_names:
            values = self.column(name)
            columns[name] = pd.Categorical(values) if self._is_category(name) else values
        return pd.DataFrame(columns)

    def to_polars(self) -> pl.DataFrame:
        """As a polars data frame, without a copy where polars can."""
        try:
            import polars as pl
        except ImportError as error:
            raise ImportError("to_polars needs polars: pip install 'churn-model[polars]'") from error
        return pl.DataFrame(self)

    def to_pyarrow(self) -> pa.Table:
        """As a pyarrow table, without a copy."""
        try:
            import pyarrow as pa
        except ImportError as error:
            raise ImportError("to_pyarrow needs pyarrow: pip install pyarrow") from error
        return pa.table(self)
