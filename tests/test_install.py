"""Facts about the installed package: everything is below one name, and the command is there, outside the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import orjson
import pytest

from cli.top.command import PACKAGES as TOP_PACKAGES
from edge.installed import DEMO_PACKAGES, PACKAGES
from edge.observability.tracing.configuration import PACKAGES as TRACING_PACKAGES
from tests.support.factory.plants import ROOT

NAMES = {"app", "messages", "plant", "edge", "sandbox", "cli"}
NOT_IN_A_CLONE = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
pytestmark = pytest.mark.skipif(int(version("setuptools").partition(".")[0]) < 77, reason="setuptools is too old")


class Installed:
    """A wheel built from a copy of the checkout, and an environment that has it beside the packages of this one."""

    def __init__(self, directory: Path) -> None:
        copy, self.environment, self.elsewhere = directory / "checkout", directory / "venv", directory / "elsewhere"
        self.elsewhere.mkdir()
        shutil.copytree(ROOT, copy, ignore=NOT_IN_A_CLONE)
        stale = copy / "build" / "lib" / "edgemqttsim" / "gone.py"
        stale.parent.mkdir(parents=True)
        stale.touch()
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        wheel = [*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(directory), str(copy)]
        subprocess.run(wheel, check=True, cwd=self.elsewhere)
        (self.wheel,) = directory.glob("*.whl")
        venv.create(self.environment)
        (self.packages,) = self.environment.glob("lib/python*/site-packages")
        shared = [path for path in sys.path if path.endswith("site-packages")]
        (self.packages / "shared.pth").write_text("\n".join(shared), encoding="utf-8")
        install = ["--python", str(self.environment), "install", "--no-deps", "--no-index", "--ignore-installed"]
        subprocess.run([*pip, *install, str(self.wheel)], check=True)

    def run(self, *command: str, redirected: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the environment where nothing of the checkout is in sight; redirected: by the shell."""
        program = [str(self.environment / "bin" / command[0]), *command[1:]]
        line = ["sh", "-c", f'exec "$0" "$@" {redirected}', *program]
        path = f"{self.environment / 'bin'}:{os.environ['PATH']}"
        environ = {"PATH": path, "HTTP_PORT": "0"}
        return subprocess.run(
            line, cwd=self.elsewhere, env=environ, capture_output=True, text=True, check=False, timeout=50
        )

    def python(self, source: str) -> str:
        """Run a program there; its output."""
        done = self.run("python", "-c", source)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built and installed once for all tests."""
    return Installed(tmp_path_factory.mktemp("installed"))


def test_the_wheel_has_all_that_runs_below_one_package(installed: Installed) -> None:
    """Each file of the packages and each module in the root, as of now, and no test or tool."""
    folders = [ROOT / name for name in NAMES if (ROOT / name).is_dir()]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    ours = [*files, *ROOT.glob("*.py"), *(ROOT / "edgemqttsim").glob("*.py"), ROOT / "message_structure.yaml"]
    wanted = {str(path.relative_to(ROOT)).removeprefix("edgemqttsim/") for path in ours}

    names = {name for name in ZipFile(installed.wheel).namelist() if ".dist-info/" not in name}

    assert names == {f"edgemqttsim/{name}" for name in wanted if "__pycache__" not in name and name != "setup.py"}


def test_the_requirements_are_those_of_the_files(installed: Installed) -> None:
    """requirements.txt, and with an extra those of its file."""
    metadata = ZipFile(installed.wheel).read(f"{installed.wheel.name.rsplit('-', 3)[0]}.dist-info/METADATA").decode()
    wanted = []
    files = {
        "": "requirements.txt",
        "otel": "requirements-otel.txt",
        "tui": "requirements-tui.txt",
        "sandbox": "sandbox/requirements.txt",
    }
    for extra, name in files.items():
        lines = (ROOT / name).read_text("utf-8").splitlines()
        wanted += [
            line + (f'; extra == "{extra}"' if extra else "") for line in lines if line and not line.startswith("#")
        ]

    assert re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE) == wanted


def test_no_module_that_is_installed_needs_one_of_the_checkout(installed: Installed) -> None:
    """All can be imported, and none is known by a name outside the package."""
    found = installed.python(
        "import pkgutil, importlib, sys, edgemqttsim as top\n"
        "for each in pkgutil.walk_packages(top.__path__, 'edgemqttsim.'): importlib.import_module(each.name)\n"
        "print(*sys.modules)"
    ).split()

    assert {"edgemqttsim.app", "edgemqttsim.sandbox.demo", "edgemqttsim.plant.machines.machine"} <= {*found}
    assert {name for name in found if name.partition(".")[0] in NAMES} == set()


def test_an_import_that_cannot_be_adapted_ends_the_build(tmp_path: Path) -> None:
    """`import edge.x` would be known by another name: the line says where it is."""
    source = "import setup; setup.below_the_package('x = 1\\nimport edge.mqtt.protocol.codec\\n', 'here.py')"
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "here.py:2: must be `from ... import ...` to be installed: import edge.mqtt.protocol.codec\n"


def test_the_command_runs_a_demo_and_its_truth_is_verified(installed: Installed) -> None:
    """As in the README: no argument is the run, and the plant is the one that comes with the package."""
    demo = installed.run("edgemqttsim", "run", "--demo", "--duration", "30", "--speed", "20")
    history = ("--dry-run", "--start", "2026-01-01", "--duration", "1h", "--speed", "max", "--truth", "truth.jsonl")
    rows = installed.run("edgemqttsim", *history, redirected="> rows.jsonl")
    verify = installed.run("edgemqttsim", "verify", "rows.jsonl", "--truth", "truth.jsonl")

    plant = installed.packages / "edgemqttsim" / "message_structure.yaml"
    assert (demo.returncode, rows.returncode) == (0, 0), demo.stderr + rows.stderr
    assert f"no message_structure.yaml in this directory, using the default plant: file={plant}\n" in demo.stderr
    assert "first on factory/cnc: " in demo.stderr
    assert verify.returncode in {0, 3}, verify.stdout + verify.stderr
    assert "Orders and dispatches missing: 0." in verify.stdout


def test_the_command_checks_and_exports(installed: Installed) -> None:
    """The default plant, which a line names, or the one that is there; every target of `export all`."""
    check = installed.run("edgemqttsim", "check")
    export = installed.run("edgemqttsim", "export", "all", "--output", "made")

    assert (check.returncode, export.returncode) == (0, 0), check.stderr + export.stderr
    assert "total                  22                3.7011" in check.stdout
    assert check.stderr.startswith("no message_structure.yaml in this directory, using the default plant: file=/")
    assert orjson.loads((installed.elsewhere / "made" / "schema" / "welding.json").read_bytes())["title"] == "welding"

    own = installed.elsewhere / "message_structure.yaml"
    own.write_text("global: 1\n", encoding="utf-8")
    wrong = installed.run("edgemqttsim", "check")
    own.unlink()
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"{own}:1: global: must be a mapping")


def test_help_calls_the_command_as_it_was_called(installed: Installed) -> None:
    """`edgemqttsim`, and for the module what one types."""
    assert installed.run("edgemqttsim", "--help").stdout.startswith("usage: edgemqttsim [-h]")
    module = installed.run("python", "-m", "edgemqttsim", "check", "--help")
    assert module.stdout.startswith("usage: python -m edgemqttsim check ")


def test_the_command_has_the_guards_of_app_py(installed: Installed) -> None:
    """A closed standard output is told, and so are packages that are missing; neither by a traceback."""
    closed = installed.run("edgemqttsim", "check", redirected=">&-")
    source = f"import sys; sys.path.insert(0, {str(installed.packages)!r}); import edgemqttsim.__main__ as it"
    bare = installed.run("python", "-S", "-c", f"{source}; sys.exit(it.command())")

    assert closed.returncode == 1
    assert "cannot write to standard output" in closed.stderr
    assert "Traceback" not in closed.stderr
    assert (bare.returncode, bare.stderr.count("\n")) == (2, 1)
    assert bare.stderr.startswith(
        "edgemqttsim needs packages that are not installed here (fastapi, idna, orjson, paho-mqtt"
    )
    assert re.search(r": `pip install fastapi\S* idna\S* .* PyYAML\S*`\n$", bare.stderr)


def test_a_demo_without_its_packages_names_what_to_install(installed: Installed) -> None:
    """Packages, not modules, in the versions of the extra."""
    program = (
        "import sys, importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'jwt' else find(name)\n"
        "import edgemqttsim.app as app; sys.exit(app.main(['run', '--demo'], {}))"
    )
    done = installed.run("python", "-c", program)

    assert done.returncode == 2
    wanted = r"--demo needs packages that are not installed here \(PyJWT\): `pip install PyJWT==[0-9.]+`\n"
    assert re.fullmatch(wanted, done.stderr)


@pytest.mark.parametrize(
    ("packages", "file"),
    [
        (PACKAGES, "requirements.txt"),
        (DEMO_PACKAGES, "sandbox/requirements.txt"),
        (TRACING_PACKAGES, "requirements-otel.txt"),
        (TOP_PACKAGES, "requirements-tui.txt"),
    ],
)
def test_the_packages_that_are_named_are_those_of_the_requirements(packages: dict[str, str], file: str) -> None:
    """Each is required by the file that the advice names."""
    required = {line.partition("==")[0] for line in (ROOT / file).read_text("utf-8").splitlines()}

    assert set(packages.values()) <= required


def example_of(page: str) -> str:
    """The only piece of Python in a document."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    return str(example)


REHEARSAL = """
from edgemqttsim import FactoryMessageGenerator as Plant
one, other = Plant(seed=1), Plant(seed=1)
other.rehearse()
print(one.advance(one.now + 900) == other.advance(other.now + 900), len(one.advance(one.now + 900)))
"""


@pytest.fixture(scope="module")
def printed(installed: Installed) -> list[str]:
    """What the examples of the README and of docs/time.md print there, and a rehearsal; run by one Python."""
    sources = [example_of("README.md"), example_of("docs/time.md"), REHEARSAL]
    end = "-" * 30
    return installed.python(
        f"for source in {sources!r}:\n    exec(source, {{'__name__': '__main__'}})\n    print({end!r})"
    ).split(f"{end}\n")


def test_the_python_example_works_where_it_is_installed(printed: list[str]) -> None:
    """The README's own, as it stands there."""
    lines = printed[0].splitlines()

    assert "CNC-" in "".join(lines)
    assert re.search(r"^\d{4,} messages, the first: \{", "\n".join(lines), re.MULTILINE)


def test_the_shards_are_merged_where_it_is_installed(printed: list[str]) -> None:
    """The example of docs/time.md, which needs the time at which a plant begins by default."""
    assert printed[1] == "True\n"


def test_a_rehearsal_is_taken_back_where_it_is_installed(printed: list[str]) -> None:
    """What is kept of a plant is found by the names of its modules, which are others there."""
    said = printed[2].split()

    assert said[0] == "True"
    assert int(said[1]) > 1000
