"""Compiles what libraries offer for calls without Python, and times one row at a time with ``score_native.cc``."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

HARNESS = Path(__file__).with_name("score_native.cc")
N_ROWS = 50_000
SAME = 1e-4  # how far the mean score of converted or compiled trees may be from that of their library
CXX = ["g++", "-std=c++20", "-O3", "-march=native"]
TL2CGEN_LEVEL = (
    "-O1"  # -O2 compiles half as long again, and its code took 12.5 us a row instead of 8.7; -O3 takes minutes
)


def ydf(folder: Path, model, rows: np.ndarray, scores: np.ndarray) -> dict:
    """The C++ that YDF writes for one model."""
    files = model.to_standalone_cc(name="ydf_model", algorithm="ROUTING", classification_output="SCORE")
    if isinstance(files, str):
        files = {"model.h": files.encode()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    header = next(name for name in files if name.endswith(".h"))
    if header != "model.h":
        (folder / header).rename(folder / "model.h")
    source = (folder / "model.h").read_text()
    names = re.findall(r"Numerical (f\d+)", source.split("struct Instance")[1].split("};")[0])
    fields = ", ".join(f".{name} = x[{name[1:]}]" for name in names)
    (folder / "instance.h").write_text(f"#define YDF_INSTANCE(x) {fields}\n")
    return _time(folder, "PEER_YDF", [], rows, scores)


def lightgbm(folder: Path, booster, rows: np.ndarray, scores: np.ndarray) -> dict:
    """LightGBM's C interface, in the shared library that its wheel brings."""
    from lightgbm.libpath import _find_lib_path

    library = Path(_find_lib_path()[0])
    model_file = folder / "lightgbm.txt"
    booster.save_model(model_file)
    return _time(folder, "PEER_LIGHTGBM", [library, f"-Wl,-rpath,{library.parent}"], rows, scores, model_file)


def lleaves(folder: Path, compiled: Path, rows: np.ndarray, scores: np.ndarray) -> dict:
    """The object file that lleaves keeps of a compiled model; it takes doubles."""
    return _time(folder, "PEER_LLEAVES", [compiled, "-lm"], rows.astype(np.float64), scores)


def tl2cgen(folder: Path, sources: Path, rows: np.ndarray, scores: np.ndarray) -> tuple[dict, Path]:
    """The C that TL2cgen writes; also returns the shared library, which stays for another run with the same C."""
    files = sorted(sources.glob("*.c"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    library = folder / f"tl2cgen-{digest}.so"
    if not library.exists():
        command = ["gcc", TL2CGEN_LEVEL, "-march=native", "-fPIC", "-c"]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda file: _run([*command, file, "-o", file.with_suffix(".o")]), files))
        unfinished = library.with_suffix(".part")
        _run(["gcc", "-shared", *(file.with_suffix(".o") for file in files), "-lm", "-o", unfinished])
        unfinished.rename(library)
    return _time(folder, "PEER_TL2CGEN", [library, f"-Wl,-rpath,{folder}"], rows, scores), library


def check_mean(found: float, expected: np.ndarray) -> None:
    """Raises when trees that were converted or compiled are not what they were."""
    difference = abs(found - float(np.mean(expected)))
    if difference > SAME:
        raise ValueError(
            f"scores differ by {difference:.2g} on average from those of the library that fitted the trees"
        )


def _time(
    folder: Path, peer: str, link: list, rows: np.ndarray, scores: np.ndarray, model_file: Path | str = ""
) -> dict:
    """Compiles the harness for one library and runs it; ``scores`` are what Python says about the same rows."""
    rows, scores = rows[:N_ROWS], scores[:N_ROWS]
    program, data = folder / peer.lower(), folder / f"{peer.lower()}.bin"
    rows.tofile(data)
    _run([*CXX, f"-D{peer}", f"-I{folder}", HARNESS, *link, "-o", program])
    report = json.loads(_run([program, data, len(rows), rows.shape[1], model_file]))
    check_mean(report.pop("mean_score"), scores)
    return report


def _run(command: list) -> str:
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"{command[0]} is needed")
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False, text=True)
    if done.returncode != 0:
        raise ChildProcessError(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout
