"""Every check says what it found, and how to mend it where it is not well."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from astraios_utils import cli
from astraios_utils.analyzers import codeql, validity
from astraios_utils.planning import estimates
from astraios_utils.preflight import doctor
from astraios_utils.running import links
from astraios_utils.sandbox import SandboxError
from astraios_utils.sources import released


def no_sandbox(*_: Any, **__: Any) -> Any:
    raise SandboxError("nothing to run it with")


def without_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 0))


def driver_beside_a_cpu_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)


def driver_that_shows_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    driver_beside_a_cpu_torch(monkeypatch)
    monkeypatch.setattr(torch.version, "cuda", "12.8")


BROKEN: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str, str]] = {
    "python": (lambda m: m.setattr(sys, "version_info", (3, 9, 0)), "missing", "make setup PYTHON="),
    "packages": (lambda m: m.setattr(doctor, "locked_versions", lambda: {"no-such": "1"}), "missing", "make setup"),
    "gpu": (lambda m: m.setattr(estimates, "here", lambda: None), "partly", "Colab"),
    "cuda": (driver_beside_a_cpu_torch, "missing", "--force-reinstall torch=="),
    "bitsandbytes": (without_modules, "partly", "pip install bitsandbytes"),
    "vllm": (without_modules, "partly", "pip install vllm"),
    "ray": (without_modules, "partly", "'.[ray]'"),
    "jdk": (lambda m: m.setattr(doctor, "runtime_id", no_sandbox), "missing", "apt-get install openjdk-17"),
    "c compiler": (lambda m: m.setattr(validity, "compiler", lambda: None), "missing", "install gcc"),
    "codeql": (lambda m: m.setattr(codeql, "find", lambda: None), "partly", "codeql-bundle-v"),
    "sandbox": (lambda m: m.setattr(doctor, "Sandbox", no_sandbox), "missing", "--allow-weak-sandbox"),
    "mirror": (lambda m: m.setattr(released, "mirror", lambda: None), "partly", "ASTRAIOS_MIRROR"),
    "upstream": (lambda m: m.setenv("ASTRAIOS_UPSTREAM", "http://127.0.0.1:9"), "partly", "ASTRAIOS_MIRROR"),
    "hub": (lambda m: m.setenv("HF_ENDPOINT", "http://127.0.0.1:9"), "partly", "HF_ENDPOINT"),
    "token": (lambda m: m.setattr("huggingface_hub.get_token", lambda: None), "partly", "hf auth login"),
    "downloads": (full_disk, "partly", "HF_HOME"),
    "disk": (full_disk, "missing", "ASTRAIOS_BUILD"),
    "address": (lambda m: m.setattr(links, "repository", lambda: links.PLACEHOLDER), "partly", "make links REPO="),
}


def found(what: str, monkeypatch: pytest.MonkeyPatch) -> doctor.Finding:
    """The finding of one check alone."""
    checks = dict(zip(BROKEN, doctor.CHECKS, strict=True))
    return checks[what]()


@pytest.mark.parametrize("what", list(BROKEN))
def test_what_is_wrong_is_found_and_has_its_fix(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    spoil, state, fix = BROKEN[what]
    with monkeypatch.context() as patch:
        spoil(patch)
        finding = found(what, patch)
    assert (finding.what, finding.state) == (what, state)
    assert fix in str(finding)
    assert "\n" not in str(finding)


def test_a_driver_that_shows_no_card_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    driver_that_shows_no_card(monkeypatch)
    finding = doctor._cuda()
    assert "built for CUDA 12.8, but sees no card" in finding.found
    assert "CUDA_VISIBLE_DEVICES" in finding.fix


def test_an_offline_hub_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "unset HF_HUB_OFFLINE" in str(doctor._hub())


def test_another_version_is_not_an_absent_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "locked_versions", lambda: {"numpy": "0.1"})
    finding = doctor._packages()
    assert finding.state == "partly"
    assert "(lock: 0.1)" in finding.found


def test_the_command_prints_a_line_a_thing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ASTRAIOS_UPSTREAM", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[9:22].strip() for line in lines] == ["machine", *BROKEN]
    for line in lines:
        assert line.startswith("ok ") or " -> " in line, line
