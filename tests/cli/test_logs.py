"""Log lines go to stderr as JSON, with the name of the event and its facts as keys."""

import json

import pytest
import structlog

from evtrack.interfaces.logs import configure_logs


def test_a_line_is_json_with_facts_as_keys(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    structlog.get_logger().warning("batch_crashed", job_id=7, item_key="PubMed:8528200")
    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert ("batch_crashed", "warning", 7) == (line["event"], line["level"], line["job_id"])
    assert line["timestamp"].endswith("Z")


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(log_format="json")
    try:
        int("of this")
    except ValueError:
        structlog.get_logger().exception("went_wrong")
    assert "ValueError: invalid literal" in json.loads(capsys.readouterr().err)["exception"]


def test_the_console_format_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(log_format="console")
    structlog.get_logger().info("job_finished", job_id=7)
    err = capsys.readouterr().err
    assert "job_finished" in err
    assert not err.startswith("{")


@pytest.mark.parametrize("form", ["json", "console"])
def test_terminal_control_characters_are_escaped(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(log_format=form)
    structlog.get_logger().warning("batch_crashed", item_key="a\x9b\u202e\x85b", error="one\x1b[2J\ntwo")
    err = capsys.readouterr().err
    assert 1 == err.count("\n")
    assert err.removesuffix("\n").isprintable()
    assert "u202e" in err


def test_a_lower_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(log_level="error")
    structlog.get_logger().warning("hardly_matters")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", [{"log_format": "xml"}, {"log_level": "loud"}])
def test_a_wrong_value_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong.values()))):
        configure_logs(**wrong)
