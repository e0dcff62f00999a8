"""Reads the windowed counts of every tenant out of an event log with one library, and prints what that took as JSON.

The log is JSON Lines of CloudEvents, in UTC. Four counts (logins, jobs, bytes of data, active users) over the 7, 28, 30
and 90 days before one date; counted is what occurred in the window and was received before the date. The log holds no
duplicates and nothing later than the allowed lateness, so that nobody else has to look for them.

Each library is given what was fastest of what its documentation offers; `features.py` runs them in turn.
"""

import argparse
import datetime
import json
import resource
import time
from pathlib import Path

WINDOWS = [7, 28, 30, 90]
COUNTS = ["logins", "jobs", "data_bytes", "active_users"]
COLUMNS = [f"{count}_{days}" for count in COUNTS for days in WINDOWS]
LOGIN = "com.anycompany.bdcp.user.login"
JOB = "com.anycompany.bdcp.job.submitted"


def starts(date: str) -> dict[int, str]:
    """First day of each window, as it stands at the beginning of a time in the log."""
    end = datetime.date.fromisoformat(date)
    return {days: (end - datetime.timedelta(days=days)).isoformat() for days in WINDOWS}


def duckdb_counts(log: str, date: str, threads: int) -> list[tuple]:
    """Times stay text, whose order is theirs; a user's last day tells every window that the user is active in.

    Measured slower: times as TIMESTAMP (1.2 times), count(DISTINCT ...) FILTER (1.1 times, and more memory).
    """
    import duckdb

    since = starts(date)
    per_user = ", ".join(
        f"count(*) FILTER (type = '{LOGIN}' AND time >= '{first}') AS logins_{days}, "
        f"count(*) FILTER (type = '{JOB}' AND time >= '{first}') AS jobs_{days}, "
        f"sum(data.dataSize) FILTER (type = '{JOB}' AND time >= '{first}') AS data_bytes_{days}"
        for days, first in since.items()
    )
    per_tenant = ", ".join(
        [f"coalesce(sum({count}_{days}), 0)::UBIGINT" for count in COUNTS[:3] for days in WINDOWS]
        + [f"count(*) FILTER (last_time >= '{first}')" for first in since.values()]
    )
    query = f"""
        WITH per_user AS (
            SELECT subject, data.userId AS user_id, max(time) AS last_time, {per_user}
            FROM read_ndjson('{log}', columns = {{type: 'VARCHAR', subject: 'VARCHAR', time: 'VARCHAR',
                recordedtime: 'VARCHAR', data: 'STRUCT(userId VARCHAR, dataSize UBIGINT)'}})
            WHERE type IN ('{LOGIN}', '{JOB}') AND time >= '{since[max(WINDOWS)]}' AND time < '{date}'
                AND coalesce(recordedtime, time) < '{date}'
            GROUP BY ALL
        )
        SELECT subject, {per_tenant} FROM per_user GROUP BY ALL ORDER BY subject
    """
    connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    return connection.execute(query).fetchall()


def polars_counts(log: str, date: str, threads: int) -> list[tuple]:
    """As for DuckDB; `features.py` sets the number of threads, which Polars takes from the environment.

    Measured no faster: the in-memory engine, `low_memory`, n_unique of users per window, when-then instead of filter.
    """
    import polars as pl

    since = starts(date)
    schema = {
        "type": pl.String,
        "subject": pl.String,
        "time": pl.String,
        "recordedtime": pl.String,
        "data": pl.Struct({"userId": pl.String, "dataSize": pl.UInt64}),
    }
    time, kind = pl.col("time"), pl.col("type")
    events = (
        pl.scan_ndjson(log, schema=schema)
        .filter(
            kind.is_in([LOGIN, JOB]),
            time >= since[max(WINDOWS)],
            time < date,
            pl.coalesce("recordedtime", "time") < date,
        )
        .select(
            "subject",
            "time",
            user=pl.col("data").struct.field("userId"),
            size=pl.col("data").struct.field("dataSize"),
            is_login=kind == LOGIN,
        )
    )
    is_login = pl.col("is_login")
    per_user = events.group_by("subject", "user").agg(
        pl.max("time"),
        *[(is_login & (time >= first)).sum().alias(f"logins_{days}") for days, first in since.items()],
        *[(~is_login & (time >= first)).sum().alias(f"jobs_{days}") for days, first in since.items()],
        *[
            pl.col("size").filter(~is_login & (time >= first)).sum().alias(f"data_bytes_{days}")
            for days, first in since.items()
        ],
    )
    counts = per_user.group_by("subject").agg(
        *[pl.sum(f"{count}_{days}") for count in COUNTS[:3] for days in WINDOWS],
        *[(time >= first).sum().alias(f"active_users_{days}") for days, first in since.items()],
    )
    return counts.sort("subject").collect(engine="streaming").rows()


PEERS = {"duckdb": duckdb_counts, "polars": polars_counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=PEERS)
    parser.add_argument("--log", required=True)
    parser.add_argument("--date", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    __import__(args.engine)  # starting Python and loading the library is nobody's speed
    start = time.perf_counter()
    rows = PEERS[args.engine](args.log, args.date, args.threads)
    wall_s = time.perf_counter() - start
    lines = [",".join(["tenant", *COLUMNS]), *(",".join(map(str, row)) for row in rows)]
    args.out.write_text("\n".join(lines) + "\n")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
