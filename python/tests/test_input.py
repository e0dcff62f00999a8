"""What may be handed over: every kind of array and frame, fitted and scored, or refused with the column's name."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
import textwrap

import churn_model as cm
import numpy as np
import pytest

N = 90
LEVELS = ["x", "y", "z"]
WORDS = [LEVELS[row % 3] for row in range(N)]
NUMBERS = [float(row % 7) if row % 10 else None for row in range(N)]
# The column of words decides the label: a column that is ignored or misread gives other scores.
LABELS = np.array([word == "x" for word in WORDS])


def forest(**options):
    return cm.RandomForestClassifier(n_trees=30, min_leaf=5, calibration="none", **options)


def pandas_frame(words):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({"number": pd.array(NUMBERS, dtype="float64"), "word": words})


def pandas_words(kind):
    pd = pytest.importorskip("pandas")
    values = {
        "object": lambda: pd.Series(WORDS, dtype=object),
        "category": lambda: pd.Categorical(WORDS),
        "ordered": lambda: pd.Categorical(WORDS, categories=["z", "y", "x"], ordered=True),
        "string": lambda: pd.array(WORDS, dtype="string"),
        "string[python]": lambda: pd.array(WORDS, dtype="string[python]"),
        "arrow": lambda: pd.array(WORDS, dtype=pd.ArrowDtype(pytest.importorskip("pyarrow").string())),
    }
    return pandas_frame(values[kind]())


def polars_words(kind):
    pl = pytest.importorskip("polars")
    dtype = {"String": pl.String, "Categorical": pl.Categorical, "Enum": pl.Enum(LEVELS)}[kind]
    return pl.DataFrame({"number": NUMBERS, "word": pl.Series(WORDS, dtype=dtype)})


def arrow_words(kind):
    pa = pytest.importorskip("pyarrow")
    types = {
        "string": pa.string(),
        "large_string": pa.large_string(),
        "string_view": pa.string_view(),
        "dictionary": pa.dictionary(pa.int8(), pa.string()),
        "wide dictionary": pa.dictionary(pa.uint32(), pa.large_string()),
    }
    return pa.table({"number": pa.array(NUMBERS, pa.float64()), "word": pa.array(WORDS).cast(types[kind])})


def chunked():
    pa = pytest.importorskip("pyarrow")
    whole = arrow_words("dictionary")
    parts = [arrow_words("dictionary").slice(start, 30) for start in (0, 30, 60)]
    assert whole.num_rows == N
    return pa.concat_tables(parts)


def duckdb_words():
    duckdb = pytest.importorskip("duckdb")
    return duckdb.from_arrow(arrow_words("string"))


FRAMES = {
    **{
        f"pandas {kind}": (pandas_words, kind)
        for kind in ("object", "category", "ordered", "string", "string[python]", "arrow")
    },
    **{f"polars {kind}": (polars_words, kind) for kind in ("String", "Categorical", "Enum")},
    **{
        f"pyarrow {kind}": (arrow_words, kind)
        for kind in ("string", "large_string", "string_view", "dictionary", "wide dictionary")
    },
    "pyarrow chunks": (chunked,),
    "DuckDB relation": (duckdb_words,),
    "dict of lists": (lambda: {"number": NUMBERS, "word": WORDS},),
    "dict of arrays": (lambda: {"number": np.array(NUMBERS, float), "word": np.array(WORDS)},),
    "list of dicts": (lambda: [{"number": n, "word": w} for n, w in zip(NUMBERS, WORDS, strict=True)],),
}


def frame_of(name):
    make, *arguments = FRAMES[name]
    return make(*arguments)


@pytest.fixture(scope="module")
def fitted():
    return forest(features_per_split=2).fit({"number": NUMBERS, "word": WORDS}, LABELS).model_


@pytest.mark.parametrize("name", FRAMES)
def test_words_of_every_frame_decide_the_label_in_fit_and_score(name, fitted):
    frame = frame_of(name)
    model = forest(features_per_split=2).fit(frame, LABELS).model_
    assert model.schema == fitted.schema
    assert model.schema[1] == {"name": "word", "kind": "category", "levels": LEVELS}
    scores = fitted.score(frame)
    assert (scores[LABELS] > 0.9).all() and (scores[~LABELS] < 0.1).all()
    np.testing.assert_array_equal(model.score(frame_of(name)), scores)


@pytest.mark.parametrize("name", FRAMES)
def test_what_one_frame_was_fitted_on_every_other_frame_scores_alike(name, fitted):
    model = forest(features_per_split=2).fit(frame_of(name), LABELS).model_
    for other in ("pandas category", "polars Enum", "pyarrow dictionary", "dict of lists"):
        np.testing.assert_array_equal(model.score(frame_of(other)), fitted.score(frame_of(name)))


@pytest.mark.parametrize("name", FRAMES)
def test_a_level_that_was_not_fitted_on_is_missing_and_counted_and_no_other_level(name, fitted):
    def renamed(frame):
        kind = name.split()[0]
        if kind == "pandas":
            return frame.assign(word=frame["word"].astype(object).where(frame["word"] != "y", "new").astype("category"))
        if kind == "polars":
            import polars as pl

            return frame.with_columns(pl.col("word").cast(pl.String).replace("y", "new").cast(pl.Categorical))
        if kind == "pyarrow":
            import pyarrow as pa

            return frame.set_column(1, "word", pa.array(["new" if w == "y" else w for w in WORDS]))
        return {"number": NUMBERS, "word": ["new" if w == "y" else w for w in WORDS]}

    unseen = renamed(frame_of(name)) if "DuckDB" not in name else renamed({})
    with pytest.warns(cm.UnseenLevelWarning, match='column "word": "new" \\(30 rows\\)'):
        scores = fitted.score(unseen)
    blank = {"number": NUMBERS, "word": [None if w == "y" else w for w in WORDS]}
    np.testing.assert_array_equal(scores, fitted.score(blank))
    with pytest.raises(cm.ColumnError, match='"new" \\(30 rows\\)'):
        fitted.score(unseen, unseen="error")


def test_columns_are_matched_by_name_in_any_order(fitted):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = fitted.score({"number": NUMBERS, "word": WORDS})
    for frame in (
        pd.DataFrame({"word": WORDS, "number": NUMBERS}),
        pl.DataFrame({"word": WORDS, "number": NUMBERS}),
        {"word": WORDS, "number": NUMBERS},
    ):
        np.testing.assert_array_equal(fitted.score(frame), expected)
    with pytest.raises(cm.ColumnError, match='missing columns: "number"'):
        fitted.score(pl.DataFrame({"word": WORDS}))
    with pytest.raises(cm.ColumnError, match='unknown columns: "age"'):
        fitted.score({"word": WORDS, "number": NUMBERS, "age": NUMBERS})


COLUMNS = {
    "int8": np.arange(N, dtype=np.int8),
    "uint64": np.arange(N, dtype=np.uint64),
    "float16": np.arange(N, dtype=np.float16),
    "float32": np.arange(N, dtype=np.float32),
    "float64": np.arange(N, dtype=np.float64),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_numbers_of_any_width_are_the_same_numbers(kind):
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    values = COLUMNS[kind]
    labels = values > 40
    reference = forest().fit({"v": list(range(N))}, labels).model_
    frames = [
        pd.DataFrame({"v": values}),
        pa.table({"v": values}),
        {"v": values},
        pa.record_batch({"v": pa.array(values)}),
    ]
    if kind != "float16":
        frames.append(pl.DataFrame({"v": values}))
    for frame in frames:
        np.testing.assert_array_equal(reference.score(frame), reference.score(values.reshape(-1, 1)))
        assert forest().fit(frame, labels).model_.schema == reference.schema


def test_nulls_of_every_kind_are_missing_and_nothing_else_is():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    labels = np.arange(N) % 2 == 0
    full = np.where(labels, np.arange(N, dtype=float), np.nan)
    reference = forest().fit({"v": full}, labels).model_
    expected = reference.score({"v": full})
    assert expected[0] > 0.9 and expected[1] < 0.1
    values = [None if np.isnan(v) else v for v in full]
    for frame in (
        pd.DataFrame({"v": full}),
        pd.DataFrame({"v": pd.array(values, dtype="Float64")}),
        pd.DataFrame({"v": pd.array([pd.NA if v is None else int(v) for v in values], dtype="Int32")}),
        pd.DataFrame({"v": pd.Series(values, dtype=object)}),
        pd.DataFrame({"v": pd.array(values, dtype=pd.ArrowDtype(pa.float64()))}),
        pl.DataFrame({"v": values}),
        pl.DataFrame({"v": full}),
        pa.table({"v": pa.array(values, pa.int64())}),
        {"v": values},
        {"v": full.astype(np.float32)},
        [{"v": v} for v in values],
        full.reshape(-1, 1),
        np.array(values, dtype=object).reshape(-1, 1),
    ):
        np.testing.assert_array_equal(reference.score(frame), expected)


def test_booleans_and_decimals_are_taken_by_value():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    flags = np.arange(N) % 3 == 0
    model = forest().fit({"flag": flags}, flags).model_
    assert model.schema[0]["kind"] == "boolean"
    expected = model.score({"flag": flags})
    assert expected[0] > 0.9 and expected[1] < 0.1
    words = ["yes" if flag else "No" for flag in flags]
    for frame in (
        pd.DataFrame({"flag": flags}),
        pd.DataFrame({"flag": pd.array(flags, dtype="boolean")}),
        pd.DataFrame({"flag": words}),
        pl.DataFrame({"flag": flags}),
        pa.table({"flag": flags}),
        {"flag": flags.astype(int)},
        {"flag": words},
    ):
        np.testing.assert_array_equal(model.score(frame), expected)
    with pytest.raises(cm.ColumnError, match='"flag" holds "2"'):
        model.score({"flag": np.full(N, 2)})
    prices = [decimal.Decimal(row) / 4 for row in range(N)]
    model = forest().fit({"price": [float(price) for price in prices]}, np.arange(N) > 40).model_
    expected = model.score({"price": [float(price) for price in prices]})
    for frame in (
        pa.table({"price": pa.array(prices, pa.decimal128(10, 2))}),
        pa.table({"price": pa.array(prices, pa.decimal256(50, 4))}),
        pl.DataFrame({"price": pl.Series(prices, dtype=pl.Decimal(10, 2))}),
        pd.DataFrame({"price": prices}),
        {"price": prices},
    ):
        np.testing.assert_array_equal(model.score(frame), expected)


def test_what_no_model_can_read_is_refused_with_the_name_of_its_column():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    days = [datetime.date(2026, 1, 1)] * N
    times = [datetime.datetime(2026, 1, 1)] * N
    refused = [
        (pd.DataFrame({"since": pd.to_datetime(times)}), "dates or times"),
        (pd.DataFrame({"since": pd.to_timedelta(np.arange(N), unit="D")}), "dates or times"),
        (pd.DataFrame({"since": days}), "dates or times"),
        (pd.DataFrame({"since": pd.period_range("2020", periods=N, freq="M")}), "dates or times|Period"),
        (pl.DataFrame({"since": days}), "dates or times"),
        (pl.DataFrame({"since": times}), "dates or times"),
        (pa.table({"since": pa.array(times)}), "dates or times"),
        ({"since": days}, "dates or times"),
        ({"since": np.array(days, dtype="datetime64[D]")}, "dates or times"),
        (pl.DataFrame({"since": [[1, 2]] * N}), "List"),
        (pl.DataFrame({"since": [{"a": 1}] * N}), "Struct"),
        (pl.DataFrame({"since": [b"raw"] * N}), "Binary"),
        (pd.DataFrame({"since": [[1, 2]] * N}), "not list"),
        (pd.DataFrame({"since": [{"a": 1}] * N}), "not dict"),
        ({"since": [object()] * N}, "not object"),
        ({"since": np.full(N, 1j)}, "[Cc]omplex"),
        (pd.DataFrame({"since": np.full(N, 1j)}), "[Cc]omplex"),
        ({"since": ["a", 1.5] * (N // 2)}, "mixes numbers"),
        ({"since": [f"id-{row}" for row in range(N * 4)]}, "254"),
        ({"since": np.full(N, np.inf)}, "infinity"),
        (pl.DataFrame({"since": [1e300] * N}), "infinity or too large"),
    ]
    for frame, message in refused:
        rows = len(frame["since"]) if isinstance(frame, dict) else N
        with pytest.raises(cm.ColumnError, match="since") as found:
            forest().fit(frame, np.arange(rows) % 2 == 0)
        with pytest.raises(cm.ColumnError, match=message):
            raise found.value
    with pytest.raises(cm.ColumnError, match="lazy"):
        forest().fit(pl.LazyFrame({"v": [1.0]}), [True])
    pd_twice = pd.DataFrame([[1.0, 2.0]] * N, columns=["v", "v"])
    with pytest.raises(cm.ColumnError, match='feature "v" stands at positions 0 and 1'):
        forest().fit(pd_twice, np.arange(N) % 2 == 0)


@pytest.mark.parametrize(
    "data", [None, 3, "text", object(), np.zeros(()), np.zeros((2, 2, 2)), [], [[]], {}, [[1, 2], [3]], [{"a": 1}, 2]]
)
def test_nonsense_is_refused_and_never_a_panic(data, fitted):
    with pytest.raises(ValueError):
        fitted.score(data)
    with pytest.raises(ValueError):
        forest().fit(data, [0, 1])


def test_rows_are_scored_in_whatever_form_they_come():
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    model = forest().fit(x, x[:, 0] > 0).model_
    row, expected = x[7], model.score(x)[7]
    named = dict(zip(model.feature_names, row.tolist(), strict=True))
    for one in (row, row.astype(float), row.tolist(), tuple(row.tolist()), list(row), x[:, ::-1][7][::-1], named):
        score = model.score(one)
        assert isinstance(score, float) and score == expected
    integers = model.score([1, 0, None, True])
    assert integers == model.score(np.array([[1, 0, np.nan, 1]]))[0]
    for many in (
        x,
        x.astype(float),
        np.asfortranarray(x),
        x[::2],
        x.tolist(),
        np.ascontiguousarray(x[:, ::-1])[:, ::-1],
    ):
        np.testing.assert_array_equal(model.score(many), model.score(np.array(many)))
    readonly = x.copy()
    readonly.flags.writeable = False
    np.testing.assert_array_equal(model.score(readonly), model.score(x))
    for wrong in (x[:, :3], row[:3], row[:3].tolist()):
        with pytest.raises(cm.ColumnError, match="3 (columns|values) where the model has 4"):
            model.score(wrong)


def test_a_float32_matrix_is_read_where_it_lies():
    script = """
    import resource, sys
    import numpy as np
    import churn_model as cm
    x = np.zeros((2_000_000, 40), dtype=np.float32)
    model = cm.DecisionTreeClassifier().fit(np.random.default_rng(0).normal(size=(500, 40)), np.arange(500) % 2).model_
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x[:] = 1.0
    touched = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.score(x)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(after - touched)
    """
    outcome = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stderr
    assert int(outcome.stdout) < 120_000  # KiB: the scores and little else, where the matrix has 312,500


def test_text_that_is_not_unicode_and_other_oddities_do_not_end_the_interpreter():
    script = r"""
    import numpy as np
    import churn_model as cm
    odd = ["\ud800", "nul\0byte", "", " ", "a" * 100_000]
    for words in (odd, np.array(odd, dtype=object)):
        for attempt in (lambda: cm.DecisionTreeClassifier().fit({"w": words}, [0, 1, 0, 1, 0]),):
            try:
                attempt()
            except ValueError:
                pass
    """
    outcome = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "panicked" not in outcome.stderr


def test_a_column_that_is_called_like_a_feature_of_the_catalogue_has_its_unit_and_lookback():
    values = list(range(N))
    model = forest().fit({"logins_7": values, "logins_77": values}, np.arange(N) > 40).model_
    assert model.schema[0] == {
        "name": "logins_7",
        "kind": "numeric",
        "unit": "logins",
        "lookback_days": 7,
        "missing_when": "never",
    }
    assert model.schema[1] == {"name": "logins_77", "kind": "numeric"}
    assert "logins, last 7 days" in " ".join(str(reason) for reason in model.reasons([0, 0], k=2))
    # Of another kind it is another feature.
    words = forest().fit({"logins_7": WORDS}, LABELS).model_
    assert "unit" not in words.schema[0]


def test_one_row_by_name_is_what_it_is_among_others():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rows = [
        {"number": 2.0, "word": "y", "flag": True},
        {"number": 3, "word": "x", "flag": 0},
        {"number": None, "word": None, "flag": None},
        {"number": float("nan"), "word": "z", "flag": False},
        {"number": np.float32(1.5), "word": "x", "flag": np.True_},
        {"number": decimal.Decimal("2.5"), "word": "x", "flag": "yes"},
    ]
    table = {"number": NUMBERS, "word": WORDS, "flag": [row % 2 == 0 for row in range(N)]}
    model = forest(features_per_split=2).fit(table, LABELS).model_
    together = model.score([dict(row) for row in rows])
    for row, expected in zip(rows, together, strict=True):
        assert model.score(row) == expected
        assert model.score(dict(reversed(row.items()))) == expected
        series = model.score(pd.Series(row, dtype=object))
        assert isinstance(series, float) and series == expected
        for frame in (pd.DataFrame([row]), pd.DataFrame([row]).astype(object), pl.DataFrame([row], strict=False)):
            score = model.score(frame)
            assert score.shape == (1,) and score[0] == expected
    with pytest.warns(cm.UnseenLevelWarning, match='"new"'):
        assert model.score({**rows[0], "word": "new"}) == model.score({**rows[0], "word": None})
    for wrong, message in (
        ({"number": "2", "word": "x", "flag": True}, '"number" holds "2"'),
        ({"number": 2.0, "word": "x", "flag": 2}, '"flag" holds "2"'),
        ({"number": 2.0, "word": "x"}, 'missing columns: "flag"'),
        ({"number": 2.0, "word": "x", "flags": True}, 'missing columns: "flag"'),
        ({"number": 2.0, "word": "x", "flag": True, "age": 3}, 'unknown columns: "age"'),
        ({"number": float("inf"), "word": "x", "flag": True}, "infinity"),
        ({"number": datetime.datetime(2026, 1, 1), "word": "x", "flag": True}, "dates"),
    ):
        for data in (wrong, pd.DataFrame([wrong]), pl.DataFrame([wrong])):
            with pytest.raises(cm.ColumnError, match=message):
                model.score(data)


def test_fields_of_packed_records_are_the_numbers_that_numpy_sees():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    model = forest().fit(x, x[:, 0] > 0).model_
    for dtype in ("f4", "f8"):
        records = np.zeros(50, [("a", "i1"), ("m", dtype, (4,))])
        records["m"] = x
        np.testing.assert_array_equal(model.score(records["m"]), model.score(x))
        assert model.score(records["m"][3]) == model.score(x[3])
        assert forest().fit(records["m"], x[:, 0] > 0).model_ == model
        raw = np.frombuffer(b"x" + x.astype(dtype).tobytes(), dtype=np.dtype(dtype), offset=1).reshape(50, 4)
        np.testing.assert_array_equal(model.score(raw), model.score(x))
        assert model.score(raw[3]) == model.score(x[3])


def test_names_that_are_no_strings_are_the_same_in_every_form():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({0: np.arange(N, dtype=float), 1: np.arange(N)[::-1] % 5})
    model = cm.Model.from_bytes(forest().fit(frame.rename(columns=str), np.arange(N) > 40).model_.to_bytes())
    expected = model.score(frame)
    np.testing.assert_array_equal(model.score(frame.to_dict("records")), expected)
    np.testing.assert_array_equal(model.score(frame.to_dict("list")), expected)
    assert model.score(frame.iloc[3].to_dict()) == expected[3]
    for columns in ([0, 1], [1, 0]):  # the names that are kept are those of the frame at hand
        for row in (3, 4):
            assert model.score(frame.rename(columns=str)[[str(c) for c in columns]].iloc[[row]])[0] == expected[row]


def test_a_row_with_two_columns_of_one_name_is_refused_as_a_table_of_them_is():
    pd = pytest.importorskip("pandas")
    model = cm.DecisionTreeClassifier().fit({"a": [0.0, 9.0] * 50, "b": [1.0, 2.0] * 50}, [0, 1] * 50).model_
    for n_rows in (1, 2):
        frame = pd.DataFrame([[1.0, 2.0, 3.0]] * n_rows, columns=["a", "a", "b"])
        with pytest.raises(cm.ColumnError, match='two columns called "a"'):
            model.score(frame)
    with pytest.raises(cm.ColumnError, match='two columns called "a"'):
        model.score(pd.Series([1.0, 2.0, 3.0], index=["a", "a", "b"]))


def test_a_row_out_of_a_frame_is_one_row_to_score_and_to_reasons_alike():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [0.0, 9.0] * 50, "b": [1.0, 2.0] * 50})
    model = cm.DecisionTreeClassifier().fit(frame, [0, 1] * 50).model_
    for row in (frame.iloc[0], frame.iloc[0].to_dict(), frame.iloc[0].to_list()):
        assert isinstance(model.score(row), float)
        assert [str(reason) for reason in model.reasons(row)] == [str(reason) for reason in model.reasons(frame)[0]]


def test_options_are_checked_however_easy_the_rows_are():
    model = cm.DecisionTreeClassifier().fit({"a": [0.0, 9.0] * 50}, [0, 1] * 50).model_
    for data in ([1.0], np.array([1.0]), np.ones((2, 1)), {"a": 1.0}):
        with pytest.raises(cm.ColumnError, match='unseen is "eror"; expected "warn", "ignore" or "error"'):
            model.score(data, unseen="eror")
    with pytest.raises(cm.ChurnError, match="n_jobs is 0"):
        model.score(np.ones((2, 1)), n_jobs=0)
    for threshold in (-0.1, 1.5, float("nan")):
        tree = cm.DecisionTreeClassifier(threshold=threshold)
        with pytest.raises(cm.ChurnError, match="threshold is .*; expected a score from 0 to 1"):
            tree.fit({"a": [0.0, 9.0] * 50}, [0, 1] * 50)
        with pytest.raises(cm.ChurnError, match="threshold is .*; expected a score from 0 to 1"):
            model.decide([1.0], threshold=threshold)
        with pytest.raises(cm.ChurnError, match="threshold is .*; expected a score from 0 to 1"):
            model.with_threshold(threshold)


@pytest.mark.parametrize("low", [16_777_216, 20_240_101, 0.1, 3])
def test_numbers_that_are_levels_stay_apart_whatever_holds_them(low):
    """Single precision would make one of some of these."""
    high, other = low + (0.1 if isinstance(low, float) else 2), low + (0.05 if isinstance(low, float) else 1)
    churned = np.arange(200) % 2 == 0
    values = np.where(churned, low, high)
    forms = {"numpy": lambda numbers: np.array(numbers), "list": list}
    if pd := pytest.importorskip("pandas"):
        forms["pandas"] = lambda numbers: pd.DataFrame({"m": numbers})["m"].to_numpy()
        forms["categorical"] = lambda numbers: pd.Categorical(numbers)
    pa = pytest.importorskip("pyarrow")
    tables = {name: lambda numbers, form=form: {"m": form(numbers)} for name, form in forms.items()}
    tables["categorical"] = lambda numbers: pd.DataFrame({"m": pd.Categorical(numbers)})
    tables["nullable"] = lambda numbers: pd.DataFrame({"m": pd.array(numbers)})
    tables["arrow"] = lambda numbers: pa.table({"m": pa.array(numbers)})
    tables["dictionary"] = lambda numbers: pa.table({"m": pa.array(numbers).dictionary_encode()})
    for fitted_on, table in tables.items():
        tree = cm.DecisionTreeClassifier(categories=["m"], calibration="none")
        model = tree.fit(table(values.tolist()), churned).model_
        assert model.schema[0]["levels"] == [f"{low}", f"{high}"], fitted_on
        for name, form in tables.items():
            assert model.score(form([low, high])).tolist() == [1.0, 0.0], (fitted_on, name)
            with pytest.raises(cm.ColumnError, match="not fitted on"):
                model.score(form([other, other]), unseen="error")
        assert model.score({"m": low}) == 1.0


def test_what_only_looks_like_a_column_is_refused_by_name():
    model = cm.DecisionTreeClassifier().fit({"a": [0.0, 9.0] * 50}, [0, 1] * 50).model_
    for value in (b"3", b"\xff", bytearray(b"3"), {300, 5}, {300: "x"}, (number for number in [1.0])):
        with pytest.raises(cm.ColumnError, match='column "a"'):
            model.score({"a": value})
    for masked in (np.ma.array([[0.1], [0.2]], mask=[[1], [0]]), np.ma.array([0.1], mask=[1])):
        with pytest.raises(cm.ColumnError, match="masked"):
            model.score(masked)
        with pytest.raises(cm.ColumnError, match="masked"):
            model.score({"a": masked.ravel()})


def test_a_named_tuple_of_a_frame_is_no_frame():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [0.0, 9.0] * 50, "b": [1.0, 2.0] * 50})
    model = cm.DecisionTreeClassifier().fit(frame, [0, 1] * 50).model_
    for data in (next(frame.itertuples(index=False)), frame.columns, frame["a"].array, frame.groupby("a")):
        with pytest.raises((cm.ColumnError, TypeError)):
            model.score(data)
    many = frame.iloc[:1].copy()
    many.columns = pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")])
    with pytest.raises(cm.ColumnError, match="missing columns"):
        model.score(many)


def test_columns_of_one_row_give_an_array_and_single_values_a_number():
    model = cm.DecisionTreeClassifier().fit({"a": [0.0, 9.0] * 50}, [0, 1] * 50).model_
    for column in ([9.0], np.array([9.0]), np.array([9], dtype=np.int8)):
        assert model.score({"a": column}).shape == (1,)
    for value in (9.0, 9, np.float32(9), np.int64(9), np.array(9.0)):
        assert isinstance(model.score({"a": value}), float)
