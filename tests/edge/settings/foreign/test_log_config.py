"""A logging configuration in TOML: level and form are honoured, and no file is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.settings.foreign.log_config import read_log_config

LOGGER = """\
version = 1
[formatters.json]
class = "simulator.observability.JsonFormatter"
[formatters.plain]
format = "%(message)s"
[handlers.console]
class = "logging.StreamHandler"
stream = "ext://sys.stdout"
formatter = "json"
[handlers.file]
class = "logging.handlers.RotatingFileHandler"
filename = "./tmp/simulator.log"
maxBytes = 10485760
formatter = "json"
[loggers.simulator]
level = "DEBUG"
[root]
level = "WARNING"
handlers = ["console", "file"]
"""


def test_level_and_form_are_in_force_and_the_rest_is_named(tmp_path: Path) -> None:
    """A line for each thing that is not."""
    (file := tmp_path / "logger.toml").write_text(LOGGER)
    found = read_log_config(file)

    assert found.environ == {"LOG_LEVEL": "warning", "LOG_FORMAT": "json"}
    assert found.notes == (
        "log configuration: its level and its form (JSON or text) are in force, lines go to standard error",
        "log configuration: handlers.file is not opened; redirect standard error instead filename=./tmp/simulator.log",
        "log configuration: levels of single loggers are not in force loggers=simulator",
    )
    assert [*tmp_path.iterdir()] == [file]


@pytest.mark.parametrize(
    ("old", "new", "environ"),
    [
        ('handlers = ["console", "file"]', "handlers = []", {"LOG_LEVEL": "warning", "LOG_FORMAT": "text"}),
        ('formatter = "json"', 'formatter = "plain"', {"LOG_LEVEL": "warning", "LOG_FORMAT": "text"}),
        ('level = "WARNING"', 'level = "critical"', {"LOG_LEVEL": "error", "LOG_FORMAT": "json"}),
        ('level = "WARNING"', "", {"LOG_LEVEL": "info", "LOG_FORMAT": "json"}),
    ],
)
def test_the_form_is_that_of_the_root_s_handlers(tmp_path: Path, old: str, new: str, environ: dict[str, str]) -> None:
    """JSON where the name or the class of a formatter says so."""
    (file := tmp_path / "logger.toml").write_text(LOGGER.replace(old, new))

    assert read_log_config(file).environ == environ


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ", r"is not valid TOML: .*line 1|is not valid TOML"),
        ('[root]\nlevel = "LOUD"', "root.level: must be one of NOTSET, DEBUG"),
        ("root = 1", "root: must be a table"),
        ('[root]\nhandlers = ["x"]\n[handlers]\nx = 1', "^handlers.x: must be a table"),
        ("[root]\nhandlers = 5", "^root.handlers: must be a list"),
        ('[root]\nhandlers = "console"', "^root.handlers: must be a list"),
        ("[handlers]\nfile = 1", "^handlers.file: must be a table"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """A file that is wrong is not half in force."""
    (file := tmp_path / "logger.toml").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_log_config(file)


def test_what_it_names_stays_within_its_line(tmp_path: Path) -> None:
    """A name with a line break or colours is no line of its own."""
    (file := tmp_path / "logger.toml").write_text(
        '[handlers."a\\nb"]\nfilename = "c\\nd\\u001b[31m"\n[loggers."e\\nf"]\n'
    )

    assert read_log_config(file).notes[1:] == (
        "log configuration: handlers.a?b is not opened; redirect standard error instead filename=c?d?[31m",
        "log configuration: levels of single loggers are not in force loggers=e?f",
    )


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It was asked for."""
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_log_config(tmp_path / "none.toml")
