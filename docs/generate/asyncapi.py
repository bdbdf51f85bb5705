"""The AsyncAPI document: the messages on the queue, their sender and their receiver."""

from typing import Any

from docs.generate.examples import examples
from docs.generate.schemas import CONTRACTS, name, newest, type_of
from events import Event
from events.publishing.call import FUNCTION
from events.publishing.keys import QUEUE

_FORMAT = "application/schema+json;version=draft-07"
_CHANNEL = {"$ref": "#/channels/events"}
_ABOUT = """\
The events that Botlive's chat publishes and that a worker persists in the shops' tables. docs/events.md
describes each event and its rows, docs/changing-an-event.md the rules for new versions. A worker also checks
two rules that a schema cannot express: `occurred_at` is at most 24 hours in the future; if `key` is set,
`event_id` is absent or is derived from the key."""
_QUEUE = f"""\
An RQ queue in Redis. `BOTLIVE_QUEUE` sets another name. Each message is the only argument of a job: the field
`data` of the job's hash is `["{FUNCTION}",null,[MESSAGE],{{}}]`. The id of the job is the `event_id`."""


def document() -> dict[str, Any]:
    """Return the document (AsyncAPI 3.0)."""
    names = [name(contract, version) for contract in CONTRACTS for version in range(1, newest(contract) + 1)]
    messages = [{"$ref": f"#/channels/events/messages/{each}"} for each in names]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Botlive Events",
            "version": str(max(map(newest, CONTRACTS))),
            "description": _ABOUT.replace("\n", " "),
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": QUEUE,
                "title": "The events",
                "description": _QUEUE.replace("\n", " "),
                "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in names},
            }
        },
        "operations": {
            "publish": _operation("send", "The chat publishes an event.", messages),
            "persist": _operation("receive", "A worker writes the rows of the event.", messages),
        },
        "components": {
            "messages": {
                name(contract, version): _message(contract, version)
                for contract in CONTRACTS
                for version in range(1, newest(contract) + 1)
            }
        },
    }


def _operation(action: str, summary: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    return {"action": action, "summary": summary, "channel": _CHANNEL, "messages": messages}


def _message(contract: type[Event], version: int) -> dict[str, Any]:
    described = {
        "name": type_of(contract),
        "title": f"{type_of(contract)}, version {version}",
        "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": f"./{name(contract, version)}.json"}},
    }
    payloads = [
        {"payload": event.content()}
        for event in examples()
        if isinstance(event, contract) and event.version == version
    ]
    return {**described, **({"examples": payloads} if payloads else {})}
