"""The package as a whole: which way imports run, what is public, how long files are, and that nothing global is touched."""

import ast
import importlib
import inspect
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import sdclib

ROOT = Path(sdclib.__file__).parent
FLOORS = [  # design: imports run only downwards, or along a floor without a circle
    {"_checks", "_closed_forms", "_entmax", "_files", "_image_files", "_distribution", "reporting"},
    {"activations", "architectures", "distributions", "image_sets", "images"},
    {"mosaics", "models", "inference", "metrics", "intervals", "interventions"},
    {"objectives", "evaluation", "diagnosis", "_verdict", "constructed"},
    {"training", "batched", "pretraining", "checkpoints"},
    {"experiments", "plots", "widgets"},
    {"__main__"},
]
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
MODULES = sorted({".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES} - {"__main__"})


def room(path):
    """The top-level module that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported_rooms(path):
    """The top-level modules of the package that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("sdclib.")}
        elif isinstance(node, ast.ImportFrom):
            if node.level:  # relative: none but inside a package of its own
                assert path.parent != ROOT and node.level == 1, f"{path}: relative imports hide where they go"
            elif node.module == "sdclib":
                names = {alias.name for alias in node.names} - {"__version__"}
                found |= {sdclib._HOME.get(name, name) for name in names}
            elif node.module and node.module.startswith("sdclib."):
                found.add(node.module.split(".")[1])
    return found - {room(path)}


def test_every_module_has_a_floor():
    assert {room(path) for path in FILES} <= set(FLOOR), "say on which floor the new module stands"


def test_imports_run_only_downwards():
    graph = {}
    for path in FILES:
        graph.setdefault(room(path), set()).update(imported_rooms(path))
    upwards = {(module, other) for module, others in graph.items() for other in others if FLOOR[other] > FLOOR[module]}
    assert not upwards
    while graph:  # take away what imports nothing that is left: a circle never goes
        free = [module for module, others in graph.items() if not others & set(graph)]
        assert free, f"a circle of imports among {sorted(graph)}"
        for module in free:
            del graph[module]


def test_an_upward_import_would_be_seen(tmp_path, monkeypatch):
    path = tmp_path / "activations.py"
    path.write_text("def f():\n    from sdclib import fit, metrics\n    import sdclib.plots\n    from sdclib.batched import fit_many\n", encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert imported_rooms(path) == {"training", "metrics", "plots", "batched"}


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist_and_are_documented(name):
    module = importlib.import_module(f"sdclib.{name}")
    assert module.__doc__, "a module says what it is for"
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        value = getattr(module, public)
        if not callable(value):
            continue
        assert inspect.getdoc(value), f"{public} has no docstring"
        if inspect.isclass(value):
            methods = {n: m for n, m in vars(value).items() if inspect.isfunction(m) and not n.startswith("_") and m.__module__ == module.__name__}
            assert all(inspect.getdoc(getattr(value, n)) for n in methods), f"a method of {public} has no docstring"


def test_the_package_offers_what_it_says():
    for name in sdclib.__all__:
        assert getattr(sdclib, name) is not None
    assert set(sdclib.__all__) < set(dir(sdclib))
    with pytest.raises(AttributeError, match="has no attribute 'fitt'; it has AttentionModel"):
        _ = sdclib.fitt


def test_importing_the_package_is_quick_and_loads_only_what_is_used():
    code = """
import sys, sdclib
assert "torch" not in sys.modules, "import sdclib alone must not load torch"
sdclib.activations
loaded = {name for name in sys.modules if name.startswith("sdclib.")}
assert loaded == {"sdclib.activations", "sdclib._closed_forms", "sdclib._entmax", "sdclib._checks"}, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 350


GLOBAL = {  # calls that read or set state shared by the whole process
    ("torch", "manual_seed"), ("torch", "seed"), ("torch", "set_default_dtype"), ("torch", "use_deterministic_algorithms"),
    ("random", "seed"), ("random", "random"), ("random", "shuffle"), ("random", "choice"), ("random", "rand"), ("random", "randn"), ("random", "randint"),
    ("random", "normal"), ("random", "uniform"), ("random", "permutation"), ("warnings", "filterwarnings"), ("warnings", "simplefilter"),
    ("np", "seterr"), ("os", "chdir"),
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_call_touches_global_state(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if room(path) != "experiments":  # a worker process has its threads to itself
                assert (name, node.func.attr) != ("torch", "set_num_threads"), f"line {node.lineno} of {path.name}"
            assert (name, node.func.attr) not in GLOBAL, f"line {node.lineno} of {path.name}"


def test_a_whole_run_leaves_global_state_alone():
    from sdclib import distributions, evaluate, fit, fit_many, intervals, make_mosaics, metrics, models

    def state():
        numbers = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()  # noqa: NPY002
        return (*numbers, torch.get_num_threads(), torch.get_default_dtype(), np.geterr(), torch.is_grad_enabled())

    before = state()
    for name in ("boxes_one_side", "digits"):
        base = distributions.get(name)
        train, fresh = (make_mosaics(base, n=60, m=4, split=split) for split in ("train", "fresh"))
        many = [models.build("mlp-5-5", train.feature_shape, train.n_classes, seed=seed) for seed in range(2)]
        fit(many[0], train, epochs=2)
        table = fit_many(many, train, epochs=2)
        evaluate(many[0], fresh)
        intervals.over_seeds(table)
        intervals.bootstrap(metrics.focus_hit(metrics.uniform_attention(60, 4), fresh.foreground))
    assert state() == before


def test_the_library_names_what_it_imports():
    """Every package that the library imports is among the dependencies that come with it."""
    import tomllib

    declared = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    declared = {line.split(">")[0].split("=")[0].strip() for line in declared}
    optional = {"ipywidgets", "IPython"}  # shown in a notebook, and there in any case
    imported = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - {"sdclib"} - optional
    assert {{"sklearn": "scikit-learn", "PIL": "pillow"}.get(name, name) for name in third_party} <= declared
