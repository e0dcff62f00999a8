"""The other ways to run it are valid where they can be asked, and agree with each other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
OLDEST_KUBERNETES = "1.31"  # ReadWriteOncePod is there since 1.29


def settings(text):
    """Keys and values of a properties file."""
    lines = (line.strip() for line in text.splitlines())
    return {
        key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines if line[:1] not in "#")
    }


def manifest(kind):
    (found,) = (it for it in yaml.safe_load_all((HERE / "kubernetes.yaml").read_text()) if it["kind"] == kind)
    return found


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, "1.37"])
def test_kubernetes_s_own_schema_has_no_objection(version):
    command = [Path(sys.executable).parent / "kubernetes-validate", "--strict", "-k", version, HERE / "kubernetes.yaml"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (ran.stdout + ran.stderr).count("passed for resource") == 4


def test_on_kubernetes_there_is_one_reader_that_is_given_time_to_end():
    service = manifest("StatefulSet")["spec"]
    assert service["replicas"] == 1
    pod = service["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 30
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    state = next(it for it in container["volumeMounts"] if it["name"] == "state")
    assert f"--state={state['mountPath']}" in container["args"]


def test_the_daemon_is_given_longer_to_end_than_its_children():
    grace = int(settings((HERE / "kcl.properties").read_text())["shutdownGraceMillis"]) / 1000
    unit = settings((HERE / "churn-kcl.service").read_text())
    assert grace < int(unit["TimeoutStopSec"])
    assert unit["Restart"] == "always" and unit["StartLimitIntervalSec"] == "0"
    assert f"StopTimeout: {unit['TimeoutStopSec']}" in (HERE / "template.yaml").read_text()


def test_kcl_sh_puts_the_environment_in_front_of_the_file(tmp_path):
    java = tmp_path / "java"
    java.write_text('#!/bin/sh\necho "$@"\n')
    java.chmod(0o755)
    command = "/opt/churn/consume --kcl --sink s3://bucket/a&b"
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SETTINGS": str(tmp_path / "settings"),
        "JARS": "/jars",
        "STREAM": "jobs",
        "WORKER": "host-1",
        "CONSUME": command,
    }
    ran = subprocess.run([HERE / "kcl.sh"], check=True, env=environment, capture_output=True, text=True)
    assert ran.stdout.split()[1:4] == ["-cp", "/jars/*", "software.amazon.kinesis.multilang.MultiLangDaemon"]
    written, sample = ((tmp_path / "settings").read_text(), (HERE / "kcl.properties").read_text())
    changed = {"streamName": "jobs", "workerIdentifier": "host-1", "executableName": command}
    assert settings(written) == settings(sample) | changed
    assert [line.partition("=")[0].strip() for line in written.splitlines()].count("streamName") == 1


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_knows_every_word_of_the_unit(tmp_path):
    unit = tmp_path / "churn-kcl.service"
    unit.write_text((HERE / "churn-kcl.service").read_text().replace("/opt/churn/kcl.sh", str(HERE / "kcl.sh")))
    command = ["systemd-analyze", "verify", "--man=no", unit]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    # What else is said is of the machine, which may not have been started by systemd.
    assert "churn-kcl.service:" not in ran.stderr.replace("churn-kcl.service: Failed to create", "")
