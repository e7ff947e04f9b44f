"""edgemqttsim: the command line.

Exit codes: 0 success; 1 something failed, or a bounded run was not fully acknowledged; 2 configuration; 3 the broker
rejects the login permanently; from 4 on, a finding of `preflight` by its table.
"""

from __future__ import annotations

if __name__ == "__main__":
    # Before all other imports, which take long enough for a signal to arrive, and may fail for a missing package.
    from edge import installed, startup

    startup.prepare()
    installed.require()

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cli.commands import CheckOptions, Options, parse, plant_file
from cli.options.clients import BadActorOptions, ControllerOptions, ObserveOptions, PubOptions, SubOptions
from cli.options.ctl import CtlOptions
from cli.options.evaluate import EvaluateOptions
from cli.options.export import CLUSTER_DEFAULTS, ExportOptions
from cli.options.preflight import PreflightOptions
from cli.options.scenario import ScenarioOptions
from cli.options.top import TopOptions
from cli.options.verify import VerifyOptions
from cli.run import is_default, loaded, queue_endurance, run, using_default
from edge.routing import TopicError
from edge.runtime.reload import PlantLoader, load_at_start, parse_plant
from edge.runtime.run_options import RunOptions, UsageError
from edge.runtime.simulator import CONFIGURATION, DIED, OK, REFUSED, VERSION
from edge.settings.environment_warnings import warnings_about
from edge.settings.loader import Settings, SettingsError
from messages import topic_template
from plant.default_plant import PACKAGED, existing
from plant.definition.plant_config import PlantConfig, PlantConfigError
from plant.forecast.field_tables import field_tables
from plant.forecast.rate_forecast import Forecast, check

if TYPE_CHECKING:
    from cli.clients.clock import Clock
    from cli.preflight.command import PreflightInputs

__all__ = ["CONFIGURATION", "DIED", "OK", "REFUSED", "VERSION", "main"]


def main(arguments: Sequence[str], environ: Mapping[str, str], called: str = "app.py") -> int:
    """Run the command line, and return the exit code. called: the name of the program, for its help."""
    options = parse(arguments, VERSION, called)
    return _COMMANDS[type(options)](options, environ)


def of_this_process() -> int:
    """Run the command line of this process, and return the exit code."""
    called = Path(sys.argv[0]).name
    return main(sys.argv[1:], os.environ, "python -m edgemqttsim" if called == "__main__.py" else called)


def _check(options: CheckOptions, environ: Mapping[str, str]) -> int:
    def more(config: PlantConfig, found: Forecast) -> str:
        fields = field_tables(config, found)
        # Only the plant is checked here: wrong options are a matter of `run`.
        with contextlib.suppress(SettingsError):
            return f"{fields}\n\n{queue_endurance(Settings.load(environ, pid=os.getpid()), found)[0]}"
        return fields

    try:
        path = plant_file(options.file, options.message_config_path, environ.get("MESSAGE_CONFIG_PATH"), existing())
    except UsageError as error:
        print(error, file=sys.stderr)
        return CONFIGURATION
    if path == PACKAGED == existing():
        print(using_default(path), file=sys.stderr)
    code, text = check(Path(path).absolute(), lambda path: load_at_start(Path(path), parse_plant).config, more)
    print(text, file=sys.stderr if code else sys.stdout)
    return code


# Each of these loads the code of its command when it is called: a start of `run` does not wait for that of the others.


def _verify(options: VerifyOptions, environ: Mapping[str, str]) -> int:
    from cli.verify.command import run_verify  # noqa: PLC0415

    try:
        return run_verify(options, lambda: loaded(options, environ))
    except SettingsError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return CONFIGURATION


def _evaluate(options: EvaluateOptions, _: Mapping[str, str]) -> int:
    from cli.evaluate.command import run_evaluate  # noqa: PLC0415

    return run_evaluate(options)


def _export(options: ExportOptions, environ: Mapping[str, str]) -> int:
    from cli.exports.command import PLANT_INDEPENDENT, run_export  # noqa: PLC0415

    try:
        settings = loaded(options, {**CLUSTER_DEFAULTS, **environ})
        if is_default(settings) and options.target not in PLANT_INDEPENDENT:
            print(using_default(settings.message_config_path), file=sys.stderr)
        return run_export(options, settings, PlantLoader(settings, topic_template), VERSION)
    except (SettingsError, PlantConfigError) as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return CONFIGURATION


def _ctl(options: CtlOptions, environ: Mapping[str, str]) -> int:
    from cli.ctl.command import run_ctl  # noqa: PLC0415

    return run_ctl(options, environ)


def _top(options: TopOptions, environ: Mapping[str, str]) -> int:
    from cli.top.command import run_top  # noqa: PLC0415

    return run_top(options, environ, time.monotonic)


def _clock() -> Clock:
    from cli.clients.clock import Clock  # noqa: PLC0415

    return Clock(time.time, time.monotonic, time.sleep)


def _pub(options: PubOptions, environ: Mapping[str, str]) -> int:
    from cli.clients.publish import run_pub  # noqa: PLC0415

    return run_pub(options, environ, _clock())


def _sub(options: SubOptions, environ: Mapping[str, str]) -> int:
    from cli.clients.subscribe import run_sub  # noqa: PLC0415

    return run_sub(options, environ, _clock())


def _bad_actor(options: BadActorOptions, environ: Mapping[str, str]) -> int:
    from cli.clients.bad_actor import run_bad_actor  # noqa: PLC0415

    return run_bad_actor(options, environ, _clock())


def _controller(options: ControllerOptions, environ: Mapping[str, str]) -> int:
    from cli.clients.controller.command import run_controller  # noqa: PLC0415

    return run_controller(options, environ, _clock())


def _preflight(options: PreflightOptions, environ: Mapping[str, str]) -> int:
    from cli.preflight.command import run_preflight  # noqa: PLC0415

    return run_preflight(options, partial(_preflight_inputs, options, environ), time.time)


def _scenario(options: ScenarioOptions, environ: Mapping[str, str]) -> int:
    from cli.scenario.command import run_scenario  # noqa: PLC0415

    def load(variables: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
        return Settings.load(variables, flags, pid=os.getpid(), unset={"message_config_path": existing()})

    return run_scenario(options, environ, load, PACKAGED, time.time)


def _preflight_inputs(options: PreflightOptions, environ: Mapping[str, str]) -> PreflightInputs:
    """Return what a preflight tests: the settings, and every topic of the plant or the errors of its YAML."""
    from cli.exports.command import topics_of  # noqa: PLC0415
    from cli.preflight.command import PreflightInputs  # noqa: PLC0415
    from edge.mqtt.commands.plant_topics import filter_of_commands  # noqa: PLC0415

    settings = loaded(options, environ)
    warnings = tuple(warnings_about(environ, options.flags))
    try:
        config = PlantLoader(settings, topic_template)(settings.message_config_path)
        topics = topics_of(config, settings)
    except (PlantConfigError, TopicError) as error:
        mistakes = error.mistakes if isinstance(error, PlantConfigError) else (error,)
        return PreflightInputs(settings, (), tuple(map(str, mistakes)), warnings)
    commands = filter_of_commands(config, settings) if settings.mqtt_commands else None
    return PreflightInputs(settings, topics, (), warnings, commands)


_COMMANDS: Final[Mapping[type[Options], Callable[[Any, Mapping[str, str]], int]]] = {
    RunOptions: run,
    CheckOptions: _check,
    VerifyOptions: _verify,
    EvaluateOptions: _evaluate,
    ExportOptions: _export,
    PreflightOptions: _preflight,
    ScenarioOptions: _scenario,
    CtlOptions: _ctl,
    TopOptions: _top,
    PubOptions: _pub,
    SubOptions: _sub,
    ObserveOptions: _sub,
    BadActorOptions: _bad_actor,
    ControllerOptions: _controller,
}


if __name__ == "__main__":
    sys.exit(startup.guarded(of_this_process))
