"""Java source text: tokens, methods and statements, planted bugs, hooks that count what is executed."""

from . import coverage, mutation, roles
from .tokens import NotJava

__all__ = ["NotJava", "coverage", "mutation", "roles"]
