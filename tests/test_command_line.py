"""The command line's help: every command has a description, and its examples are commands that parse."""

from __future__ import annotations

import argparse

import pytest

from astraios_utils import cli


def _commands() -> dict[str, argparse.ArgumentParser]:
    actions = cli.build_parser()._actions
    return next(dict(action.choices) for action in actions if isinstance(action, argparse._SubParsersAction))


@pytest.mark.parametrize("example", [example for examples in cli.EXAMPLES.values() for example in examples])
def test_an_example_is_a_command_that_parses(example: str) -> None:
    assert cli.build_parser().parse_args(example.split()).command == example.split()[0]


def test_examples_are_shown_as_they_are_typed() -> None:
    commands = _commands()
    assert set(cli.EXAMPLES) <= set(commands)
    for name, examples in cli.EXAMPLES.items():
        shown = commands[name].format_help()
        assert all(f"\n  astraios {example}\n" in shown for example in examples)


def test_a_command_with_arguments_has_an_example() -> None:
    by_themselves = {"doctor", "new-suite", "completion", "suite", "search"}
    assert set(_commands()) - set(cli.EXAMPLES) <= by_themselves
