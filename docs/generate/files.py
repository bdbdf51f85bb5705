"""The generated files and their contents."""

import json
from pathlib import Path
from typing import Any

from docs.generate import asyncapi, page, typescript
from docs.generate.schemas import CONTRACTS, name, schema

HERE = Path(__file__).parents[1]
"""The folder ``docs``. All paths are relative to it."""


def contents() -> dict[str, str]:
    """Return the text of each file, by its path."""
    schemas = {f"schemas/{name(contract)}.json": _json(schema(contract)) for contract in CONTRACTS}
    return {
        **schemas,
        "schemas/asyncapi.json": _json(asyncapi.document()),
        "types/botlive.d.ts": typescript.declarations(),
        "events.md": page.text(),
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
