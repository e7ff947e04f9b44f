"""Linters for what is written here: yamllint with the project's rules, shellcheck and hadolint with their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from yamllint import linter
from yamllint.config import YamlLintConfig

ROOT = Path(__file__).parents[3]


def yamllint(texts: Iterable[str]) -> str:
    """What yamllint finds, a line each; nothing if all are clean."""
    rules = YamlLintConfig((ROOT / ".yamllint").read_text("utf-8"))
    return "\n".join(str(problem) for text in texts for problem in linter.run(text, rules))


def shellcheck(script: str) -> str:
    """What shellcheck finds in a script."""
    return _said("shellcheck", script)


def hadolint(dockerfile: str) -> str:
    """What hadolint finds in a Dockerfile."""
    return _said("hadolint", dockerfile)


def _said(program: str, text: str) -> str:
    """What a program says of the text on its standard input; beside Python first, where pip puts it."""
    own = Path(sys.executable).with_name(program)
    path = str(own) if own.exists() else shutil.which(program) or program
    run = subprocess.run([path, "-"], input=text, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr
