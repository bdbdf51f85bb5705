"""The webhook that alerts are sent to: Slack-compatible, Telegram's bot API, or plain JSON."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx

from gateway.transport import cause, preparing

_TIMEOUT = 10.0  # seconds
_LONGEST = 3_000  # characters: Telegram takes 4,096


class Message(NamedTuple):
    """What one alert says."""

    queue: str
    begun: Sequence[str]
    over: Sequence[str]

    @property
    def text(self) -> str:
        """The text for people, one line per problem."""
        lines = [
            *(f"PROBLEM ({self.queue}): {words}" for words in self.begun),
            *(f"OVER ({self.queue}): {words}" for words in self.over),
        ]
        return "\n".join(lines)[:_LONGEST]


class Webhook:
    """Sends messages to one URL. The URL holds a secret: nothing here repeats it."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        with preparing():
            self._http = httpx.Client(timeout=_TIMEOUT, transport=transport)

    def send(self, message: Message) -> str | None:
        """Send the message. Returns why it could not be sent, or None."""
        url, body = _request(self._url, message)
        try:
            response = self._http.post(url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return cause(error)  # its own text may quote the URL
        return None if response.is_success else f"HTTP {response.status_code}"


def _request(url: str, message: Message) -> tuple[str, dict[str, Any]]:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if host == "api.telegram.org":
        # https://core.telegram.org/bots/api#sendmessage; the chat's id is in the URL's query.
        chat = parse_qs(parts.query).get("chat_id", [""])[0]
        return urlunsplit(parts._replace(query="")), {"chat_id": chat, "text": message.text}
    if host.endswith("slack.com"):
        return url, {"text": message.text}  # https://api.slack.com/messaging/webhooks
    # `text` is what Slack-compatible services (Mattermost, Rocket.Chat, Google Chat) read.
    return url, {"text": message.text, **message._asdict()}
