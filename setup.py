"""How a checkout becomes a wheel: all of it below one package, `edgemqttsim`.

Names such as `app`, `cli` or `messages` are short in the repository, but in site-packages another distribution may have
them too. So the wheel has edgemqttsim.app, edgemqttsim.cli ..., and the imports of each other are adapted as the files
are copied. Otherwise what is installed is, line by line, what is in the checkout.
"""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

NAME = "edgemqttsim"
ROOMS = ("plant", "edge", "cli", "sandbox")
"""The folders that run; all that is in them goes along, whatever they are divided into."""

HERE = Path(__file__).parent
MODULES = sorted(path.stem for path in HERE.glob("*.py") if path.name != Path(__file__).name)
PACKAGES = find_namespace_packages(
    include=[pattern for room in ROOMS for pattern in (room, f"{room}.*")], exclude=["*.__pycache__", "*.__pycache__.*"]
)
PLANT = "message_structure.yaml"


class Build(build_py):
    """Copies the modules below the package, and adapts their imports."""

    def run(self) -> None:
        """Build into an empty directory, so that a module that has moved since an older build is not installed."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Add the modules in the root to those of the package itself."""
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return found + [(NAME, name, f"{name}.py") for name in MODULES if package == NAME]

    def build_module(self, module: str, module_file: str, package: str) -> tuple[str, bool]:
        """Copy a module, with its imports adapted."""
        outfile, copied = super().build_module(module, module_file, package)
        path = Path(outfile)
        path.write_text(below_the_package(path.read_text("utf-8"), module_file), encoding="utf-8")
        return outfile, copied

    def build_package_data(self) -> None:
        """Copy data, and the default plant."""
        super().build_package_data()
        self.copy_file(PLANT, str(Path(self.build_lib, NAME, PLANT)))

    def get_output_mapping(self) -> dict[str, str]:
        """Say where each file comes from."""
        found: dict[str, str] = super().get_output_mapping()
        return found | {str(Path(self.build_lib, NAME, PLANT)): PLANT}


def below_the_package(source: str, file: str) -> str:
    """The source with each `from edge.x import y` as `from edgemqttsim.edge.x import y`.

    Ends the build where a module is imported by `import edge.x`, as the name it is known by would then change.
    """
    ours, lines = {*MODULES, *ROOMS}, source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(each.name.partition(".")[0] in ours for each in node.names):
            sys.exit(f"{file}:{node.lineno}: must be `from ... import ...` to be installed: {ast.unparse(node)}")
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in ours:
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line.replace(f"from {node.module} import", f"from {NAME}.{node.module} import", 1)
    return "".join(lines)


if __name__ == "__main__":
    if "editable_wheel" in sys.argv:  # the checkout itself is put on the path, where all have their own names
        setup(packages=[NAME, *PACKAGES], py_modules=MODULES)
    else:
        setup(
            packages=[NAME, *(f"{NAME}.{package}" for package in PACKAGES)],
            package_dir={f"{NAME}.{room}": room for room in ROOMS},
            package_data={"": ["*"]},
            exclude_package_data={"": ["*.pyc"]},
            cmdclass={"build_py": Build},
        )
