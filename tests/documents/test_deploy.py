"""The files in deploy/ are valid, and use only commands, options and metrics that exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml

from evtrack.interfaces.cli import cli
from evtrack.runtime.watch.metrics import DatabaseMetrics
from evtrack.runtime.worker.state.description import describe_this_process
from evtrack.runtime.worker.state.evidence import evidence

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
RULES = yaml.safe_load((DEPLOY / "prometheus" / "evtrack.rules.yml").read_text(encoding="utf-8"))
GRAFANA = msgspec.json.decode((DEPLOY / "grafana" / "evtrack.json").read_bytes())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
INSTALLED = "/opt/evtrack/venv/bin/evtrack"


def check(words: list[str]) -> None:
    """Parse the arguments of a command without running it."""
    context: click.Context = click.Context(cli, info_name="evtrack")
    command: click.Command | None = cli
    rest = [word for word in words if not word.startswith("$")]
    while isinstance(command, click.Group):
        command, rest = command.get_command(context, rest[0]), rest[1:]
        assert command is not None, words
    command.make_context("evtrack", rest)


def settings(unit: Path) -> dict[str, list[str]]:
    """Read a unit's settings."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    told = settings(unit)
    for command in told.get("ExecStart", []):
        program, *words = shlex.split(command)
        assert INSTALLED == program
        check(words)
    if analyze := shutil.which("systemd-analyze"):
        for each in UNITS:
            text = each.read_text(encoding="utf-8").replace(INSTALLED, sys.executable)
            (tmp_path / each.name).write_text(text, encoding="utf-8")
        said = subprocess.run(
            [analyze, "verify", str(tmp_path / unit.name)], capture_output=True, text=True, check=False
        )
        assert (0, "") == (said.returncode, said.stderr)
    else:
        assert {"Description"} <= set(told)


def test_no_unit_that_runs_forever_gives_up() -> None:
    for unit in UNITS:
        told = settings(unit)
        if "Restart" in told:
            assert ["always"] == told["Restart"]
            assert ["0"] == told["StartLimitIntervalSec"]


def test_a_worker_has_more_time_to_stop_than_its_batches() -> None:
    (unit,) = (unit for unit in UNITS if unit.name == "evtrack-worker@.service")
    told = settings(unit)
    grace = float(re.findall(r"--grace (\d+)", told["ExecStart"][0])[0])
    # Ten seconds more are for its last report.
    assert float(told["TimeoutStopSec"][0]) >= grace + 10
    assert ["mixed"] == told["KillMode"]


def test_the_unit_writes_how_the_worker_ended_where_its_successor_looks(tmp_path: Path) -> None:
    (unit,) = (unit for unit in UNITS if unit.name == "evtrack-worker@.service")
    told = settings(unit)
    assert ["EVTRACK_STATE_DIR=/var/lib/" + told["StateDirectory"][0]] == told["Environment"]
    (command,) = told["ExecStopPost"]
    argv = shlex.split(command.removeprefix("-").replace("%i", "annotate").replace("$$", "$"))
    worker = msgspec.structs.replace(describe_this_process(), oom_kills={}, invocation_id="ab12")
    environment = {"EVTRACK_STATE_DIR": str(tmp_path), "PATH": os.environ["PATH"], "INVOCATION_ID": "ab12"}
    subprocess.run(argv, env={**environment, "SERVICE_RESULT": "success", "EXIT_CODE": "exited"}, check=True)
    assert [] == list(tmp_path.iterdir()), "a clean stop writes nothing"
    ended = {"SERVICE_RESULT": "oom-kill", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}
    subprocess.run(argv, env={**environment, **ended}, check=True)
    for name, value in ended.items():
        assert f"{name}={value}" in evidence(worker, pids=[], base=tmp_path)["previous_exit"]


def rules() -> Iterator[Any]:
    """Walk over the alert rules."""
    for group in RULES["groups"]:
        yield from group["rules"]


def test_prometheus_accepts_the_rules() -> None:
    assert len(list(rules())) >= 8
    for rule in rules():
        assert {"alert", "expr", "labels", "annotations"} == set(rule) - {"for"}
        assert re.fullmatch(r"Evtrack[A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))
        assert rule["labels"]["severity"] in {"warning", "critical"}
    if promtool := shutil.which("promtool"):
        file = str(DEPLOY / "prometheus" / "evtrack.rules.yml")
        said = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
        assert 0 == said.returncode, said.stdout + said.stderr


def metrics() -> set[str]:
    """Return the names of the metrics that a watcher serves."""
    there = set()
    for family in DatabaseMetrics(dsn="").describe():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        there |= {family.name + end for end in ends}
    return there


def test_rules_use_only_existing_metrics() -> None:
    named = {name for rule in rules() for name in re.findall(r"\bevtrack_\w+", rule["expr"])}
    assert len(named) >= 6
    assert set() == named - metrics()


def test_the_grafana_dashboard_shows_every_metric_and_no_other() -> None:
    asked = [target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"]]
    asked += [each["query"]["query"] for each in GRAFANA["templating"]["list"] if each["type"] == "query"]
    named = {name for expression in asked for name in re.findall(r"\bevtrack_\w+", expression)}
    assert set() == named - metrics()
    assert {"evtrack_batch_run_seconds_sum", "evtrack_batch_run_seconds_count"} == metrics() - named


def test_the_panels_of_the_grafana_dashboard_lie_beside_one_another() -> None:
    places = [panel["gridPos"] for panel in GRAFANA["panels"]]
    cells = [
        (x, y)
        for each in places
        for x in range(each["x"], each["x"] + each["w"])
        for y in range(each["y"], each["y"] + each["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(each["x"] + each["w"] <= 24 for each in places)
    assert len(places) == len({panel["id"] for panel in GRAFANA["panels"]})
    # Whoever imports it has a data source of another name.
    assert {"${datasource}"} == {panel["datasource"]["uid"] for panel in GRAFANA["panels"]}


def test_each_rule_names_the_command_to_run() -> None:
    for rule in rules():
        program, *words = shlex.split(rule["annotations"]["command"])
        assert "evtrack" == program
        check(words)


def test_compose_accepts_the_file() -> None:
    services = COMPOSE["services"]
    assert {"db", "migrate", "worker", "watch"} == set(services)
    for name in ("migrate", "worker", "watch"):
        check(services[name]["command"])
        assert (DEPLOY / services[name]["build"]["context"] / services[name]["build"]["dockerfile"]).is_file()
        assert set(services[name]["depends_on"]) <= set(services)
    (volume,) = services["worker"]["volumes"]
    name, directory = volume.split(":")
    assert name in COMPOSE["volumes"]
    assert directory == services["worker"]["environment"]["EVTRACK_STATE_DIR"]
    assert directory in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    grace = services["worker"]["command"][services["worker"]["command"].index("--grace") + 1]
    assert float(services["worker"]["stop_grace_period"].rstrip("s")) > float(grace)
    docker = shutil.which("docker")
    if docker and 0 == subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        file = str(DEPLOY / "compose.yml")
        said = subprocess.run([docker, "compose", "-f", file, "config"], capture_output=True, text=True, check=False)
        assert 0 == said.returncode, said.stderr
