"""What is pinned in several places agrees, and what is vendored is what its manifest says."""

import json
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from sdcbook import vendor
from sdcbook.build import ROOT

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
ONLY_ON_BINDER = {"jupyterlab", "jupyterlab-myst", "pip", "python"}  # the page's place is taken by the notebook interface


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith(("#", "-e"))]
    assert all(re.fullmatch(r"==[\w.]+", str(one.specifier)) for one in wanted), "every version is exact"
    names = [normal(one.name) for one in wanted]
    assert len(set(names)) == len(names)
    return {normal(one.name): next(iter(one.specifier)).version for one in wanted}


def launched():
    """{name: version or None} of the environment that a launched copy of the book gets."""
    environment = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text(encoding="utf-8"))
    found = {}
    for line in environment["dependencies"]:
        name, _, version = line.partition("=")
        found[name] = version.partition("=")[0] or None
    return found


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_launched_versions_are_the_pinned_ones():
    pinned = {CONDA_NAMES.get(name, name): version for name, version in pins().items()}
    theirs = {name: version for name, version in launched().items() if name not in ONLY_ON_BINDER}
    assert theirs == {name: pinned[name] for name in theirs}


def test_launched_environment_has_all_that_chapters_import():
    needed = {normal(Requirement(line).name) for line in project()["dependencies"]} | {"ipykernel", "ipywidgets"}
    assert {CONDA_NAMES.get(name, name) for name in needed} <= set(launched())


def test_what_is_added_after_launch_is_pinned_likewise():
    text = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    added = {normal(name): version for name, version in re.findall(r" ([\w-]+)==([\w.]+)", text)}
    assert added == {"captum": pins()["captum"]}


def test_launched_torch_is_for_the_processor_alone():
    text = (ROOT / "binder" / "environment.yml").read_text(encoding="utf-8")
    assert re.search(r"^  - pytorch=[\d.]+=cpu\*$", text, re.MULTILINE)


def test_pins_satisfy_the_package():
    pinned, optional = pins(), project()["optional-dependencies"]
    for line in [*project()["dependencies"], *optional["book"], *optional["test"]]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[normal(wanted.name)]), f"requirements.txt does not give {line}"


def test_the_library_needs_none_of_the_book():
    needs = {normal(Requirement(line).name) for line in project()["dependencies"]}
    extras = {normal(Requirement(line).name) for lines in project()["optional-dependencies"].values() for line in lines}
    assert not needs & extras
    assert not [name for name in needs if "jupyter" in name or "sphinx" in name or name.startswith(("ipy", "nb"))]


def test_vendored_files_are_those_of_the_manifest():
    manifest = json.loads(vendor.MANIFEST.read_text(encoding="utf-8"))
    listed = {name: sha for package in manifest for name, sha in package["files"].items()}
    assert vendor.hashes(vendor.VENDOR) == listed | {"manifest.json": vendor.hashes(vendor.VENDOR)["manifest.json"]}


@pytest.mark.parametrize("folder", vendor.PACKAGES)
def test_vendored_packages_carry_their_licence(folder):
    package, version, licence, _ = vendor.PACKAGES[folder]
    manifest = json.loads(vendor.MANIFEST.read_text(encoding="utf-8"))
    (entry,) = [one for one in manifest if one["package"] == package]
    assert (entry["version"], entry["licence"]) == (version, licence)
    assert [name for name in entry["files"] if "LICENSE" in name]


def test_widget_script_speaks_the_protocol_of_the_pinned_ipywidgets():
    import ipywidgets

    script = (vendor.VENDOR / "html-manager" / "embed.js").read_text(encoding="utf-8")
    assert ipywidgets.__version__ == pins()["ipywidgets"]
    assert f'"{ipywidgets.IntSlider()._model_module_version}"' in script
