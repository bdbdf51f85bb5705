"""The AsyncAPI document: which messages go over the queue, and who sends and reads them."""

from typing import Any

from docs.generate.examples import examples
from docs.generate.schemas import CONTRACTS, name, newest, type_of
from events import Event
from events.publishing.call import FUNCTION
from events.publishing.keys import QUEUE

_FORMAT = "application/schema+json;version=draft-07"
_CHANNEL = {"$ref": "#/channels/events"}
_ABOUT = """\
What Botlive's chat publishes and a worker brings to the shops' tables. docs/events.md says what each event
means and which rows it makes, docs/changing-an-event.md how versions follow each other. No schema can say
two things that a worker checks: `occurred_at` is at most 24 hours ahead; where there is a `key`, `event_id`
is left out or is the one that the key makes."""
_QUEUE = f"""\
A queue of RQ in Redis; `BOTLIVE_QUEUE` may give it another name. Each message is the one argument of a job:
the field `data` of its hash is `["{FUNCTION}",null,[MESSAGE],{{}}]`. The id of the job is the `event_id`."""


def document() -> dict[str, Any]:
    """The document, AsyncAPI 3.0."""
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
            "publish": _operation("send", "The chat says what happened.", messages),
            "persist": _operation("receive", "A worker writes the rows that it means.", messages),
        },
        "components": {
            "messages": {
                name(contract, version): _message(contract, version)
                for contract in CONTRACTS
                for version in range(1, newest(contract) + 1)
            }
        },
    }


def _operation(action: str, said: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    return {"action": action, "summary": said, "channel": _CHANNEL, "messages": messages}


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
