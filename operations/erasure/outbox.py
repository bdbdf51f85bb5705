"""Erases a customer's data from a chat's outbox."""

from events.publishing.outbox import LIMIT, Outbox
from operations.erasure.event import is_of, without_person


def erase(outbox: Outbox, person: str, *, dry_run: bool) -> int:
    """Mask the customer's events in the file, unless it is a dry run. Return their number."""
    found = [
        (
            number,
            without_person(person, call.data.encode(errors="surrogatepass")).decode(errors="surrogatepass"),
        )
        for number, call in outbox.oldest(LIMIT)
        if is_of(person, call.data.encode(errors="surrogatepass"))
    ]
    if found and not dry_run:
        outbox.replace(found)
    return len(found)
