"""The settings of a watcher: flags override the environment, and the secret has no flag."""

from pathlib import Path

import pytest

from evtrack.config import watch_settings_from
from evtrack.domain.errors import BadArgument


def test_flags_override_the_environment_which_overrides_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVTRACK_WATCH_MAX_PENDING", "7")
    monkeypatch.setenv("EVTRACK_WATCH_POLL", "0.5")
    told = watch_settings_from(max_pending=8, poll=None, exec="./page")
    assert (8, 0.5, 5.0, "./page") == (told.max_pending, told.poll, told.max_crash_rate, told.exec)


def test_an_invalid_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadArgument, match="--poll is 0: input should be greater than 0"):
        watch_settings_from(poll=0)
    monkeypatch.setenv("EVTRACK_WATCH_MAX_CRASH_RATE", "many")
    with pytest.raises(BadArgument, match="EVTRACK_WATCH_MAX_CRASH_RATE is 'many'"):
        watch_settings_from()


def test_the_secret_comes_from_the_environment_or_a_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert watch_settings_from().secret() is None
    file = tmp_path / "secret"
    file.write_text("from a file\n", encoding="utf-8")
    assert "from a file" == watch_settings_from(webhook_secret_file=file).secret()
    monkeypatch.setenv("EVTRACK_WEBHOOK_SECRET_FILE", str(file))
    assert "from a file" == watch_settings_from().secret()
    monkeypatch.setenv("EVTRACK_WEBHOOK_SECRET", "hidden")
    told = watch_settings_from()
    assert "hidden" == told.secret()
    assert "hidden" not in repr(told)
    monkeypatch.delenv("EVTRACK_WEBHOOK_SECRET")
    with pytest.raises(BadArgument, match=r"cannot read the file with the webhook's secret: .*No such file"):
        watch_settings_from(webhook_secret_file=tmp_path / "none").secret()


@pytest.mark.parametrize(("text", "seconds"), [("36h", 129_600.0), ("90", 90.0)])
def test_the_time_to_keep_trying_may_have_a_unit(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    assert 86_400.0 == watch_settings_from().keep_trying
    monkeypatch.setenv("EVTRACK_WATCH_KEEP_TRYING", text)
    assert seconds == watch_settings_from().keep_trying
    monkeypatch.setenv("EVTRACK_WATCH_KEEP_TRYING", "forever")
    with pytest.raises(BadArgument, match="EVTRACK_WATCH_KEEP_TRYING is 'forever'"):
        watch_settings_from()


def test_where_the_dashboard_is_has_a_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch_settings_from().web_url is None
    monkeypatch.setenv("EVTRACK_WEB_URL", "https://ops.example.com/evtrack")
    assert "https://ops.example.com/evtrack" == watch_settings_from().web_url
    assert "http://[::1]:8484" == watch_settings_from(web_url="http://[::1]:8484").web_url
    with pytest.raises(BadArgument, match="--web-url is 'ftp://x': "):
        watch_settings_from(web_url="ftp://x")
    monkeypatch.setenv("EVTRACK_WEB_URL", "https://x/?a=|b")
    with pytest.raises(BadArgument, match=r"^EVTRACK_WEB_URL is "):
        watch_settings_from()
