"""The rules of the house that a machine can hold; ruff and import-linter (see pyproject.toml) hold the others."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import pkgutil
import shutil
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_cnn

ROOT = Path(__file__).parent.parent
PACKAGE = Path(tinygrad_cnn.__file__).parent
FOLDERS = ("tinygrad_cnn", "tests", "examples", "benchmarks")
PUBLIC_PACKAGES = ("", ".nn", ".optim", ".data", ".train", ".io", ".viz", ".profiling", ".explanations", ".testing")
TOP_LEVEL = {*FOLDERS, "pyproject.toml", "README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md"}
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

MAX_LINES = 450
MAX_CORE_LINES = 1200  # the engine; methods.py, a list of names, is not counted

SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(tinygrad_cnn.__path__, "tinygrad_cnn.")
    if not info.name.endswith(".__main__")
)


# ---- what is looked for ----------------------------------------------------------------------------------------------


def overwritten_names(parent: ModuleType, module: ModuleType) -> list[str]:
    """Ways in which a module and a function share a name: importing the one would overwrite the other."""
    name = module.__name__.rpartition(".")[2]
    faults = []
    if callable(getattr(module, name, None)):
        faults.append(f"{module.__name__} exports {name}()")
    if getattr(parent, name, module) is not module:
        faults.append(f"{parent.__name__}.{name} is not the module {module.__name__}")
    return faults


def lines_of_code(source: str) -> int:
    """Lines that hold code: no docstring, no comment, nothing blank."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def asserts(source: str) -> list[int]:
    """The lines of `assert` statements."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def has_docstring(thing: object) -> bool:
    """Whether a class, a function or a callable object has a docstring of its own, not one inherited or generated."""
    if inspect.isclass(thing):
        doc = vars(thing).get("__doc__") or ""
        return doc != "" and not doc.startswith(f"{thing.__name__}(")  # as a dataclass writes it
    return bool(thing.__doc__) and thing.__doc__ != type(thing).__doc__


def tracked_files() -> list[str]:
    """What git tracks; the test that asks is skipped where there is no repository."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git repository")
    listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listing.split("\0") if name]


# ---- the rules -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_no_module_has_the_name_of_a_function(name: str) -> None:
    module = importlib.import_module(name)
    parent = importlib.import_module(name.rpartition(".")[0])
    assert overwritten_names(parent, module) == []


def test_import_loads_numpy_and_nothing_heavier() -> None:
    script = """
import sys
import numpy
before = set(sys.modules)
import tinygrad_cnn
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(loaded - sys.stdlib_module_names - {"numpy", "tinygrad_cnn"}))
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_public_names_have_docstrings(name: str) -> None:
    package = importlib.import_module(f"tinygrad_cnn{name}")
    public = {export: getattr(package, export) for export in package.__all__}
    assert [export for export, thing in public.items() if callable(thing) and not has_docstring(thing)] == []


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_core_is_read_in_one_sitting() -> None:
    engine = [path for path in (PACKAGE / "core").rglob("*.py") if path.name != "methods.py"]
    assert sum(lines_of_code(path.read_text("utf-8")) for path in engine) <= MAX_CORE_LINES


def test_package_raises_and_never_asserts() -> None:
    found = {str(path.relative_to(PACKAGE)): asserts(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_files_are_named_after_what_they_hold() -> None:
    assert [str(path.relative_to(ROOT)) for path in SOURCES if path.stem in SAYS_NOTHING] == []


def test_test_files_have_names_of_their_own() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_top_level_holds_what_the_design_names() -> None:
    top = {name.partition("/")[0] for name in tracked_files()}
    assert {name for name in top if not name.startswith(".")} - TOP_LEVEL == set()


# ---- negative controls: each search finds what it looks for ----------------------------------------------------------


def test_control_finds_an_overwritten_name() -> None:
    parent, module = ModuleType("viz"), ModuleType("viz.graph")
    parent.graph = module  # type: ignore[attr-defined]
    assert overwritten_names(parent, module) == []
    module.graph = print  # type: ignore[attr-defined]
    assert overwritten_names(parent, module) == ["viz.graph exports graph()"]
    parent.graph = print  # type: ignore[attr-defined]
    assert overwritten_names(parent, module)[1] == "viz.graph is not the module viz.graph"


def test_control_counts_code_and_finds_asserts() -> None:
    source = (
        '"""Doc."""\n\n# comment\ndef f(x):\n    """Doc\n    string."""\n    assert x  # why\n    return """a\nb"""\n'
    )
    assert lines_of_code(source) == 4
    assert asserts(source) == [7]


def test_control_finds_a_missing_docstring() -> None:
    class Documented:
        """Said."""

        def __call__(self) -> None: ...

    class Silent(Documented): ...

    assert has_docstring(Documented)
    assert not has_docstring(Silent)
    assert not has_docstring(Documented())  # an object that shows only the docstring of its class
    assert not has_docstring(lambda: None)
