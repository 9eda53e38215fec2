"""The JSON Schema of suite files, for editors that complete and validate YAML; ``data/suites/schema.json`` is a copy.

It says less than :class:`schema.Suite` checks: what depends on several fields, or on a file, is found by ``astraios
suite check``.
"""

from __future__ import annotations

import json
from typing import Any

from .. import schema

TITLE = "A suite of Astraios: models x tasks, and where each stage gets its input"


def suite_schema() -> dict[str, Any]:
    """The schema (draft 2020-12), with the names of tasks, and those of methods as far as no suite defines its own."""
    made = schema.Suite.model_json_schema()
    fields = made["properties"]
    fields["tasks"]["items"] = {"enum": list(schema.TASKS)}
    fields["tasks"]["minItems"] = 1
    fields["problems"]["propertyNames"] = {"enum": list(schema.TASKS)}
    fields["methods"]["items"] = {"type": "string", "examples": list(schema.ALL_METHODS)}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": TITLE}


def as_text() -> str:
    """The schema as the shipped file holds it."""
    return json.dumps(suite_schema(), indent=1, ensure_ascii=False) + "\n"
