"""``botlive company``: maps shops of Botlive to companies of Lovable."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from pydantic import BaseModel
from rich.table import Column, Table
from rich.text import Text

from gateway.answers import shaped
from gateway.client import Gateway
from gateway.letters import printable
from gateway.masking import mask_text
from gateway.settings import Settings
from operations.examples import examples
from operations.output import Screen, say

_SHOP = "4OS4yFcf2LZwxhKojbAVbKuVuSdb"
_UUID = "0197b6a2-5e1c-7d3a-9f00-3c2b1a0d9e8f"

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=examples("botlive company list", f"botlive company add {_SHOP} --name 'Boutique Awa'"),
)

TextId = Annotated[str, typer.Argument(metavar="TEXT_ID", help="The shop's company_id in Botlive.")]
Owner = Annotated[
    UUID | None, typer.Option(metavar="USER_ID", help="The owner's user id; the owner must have signed up.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the owner if the shop has another one.")]

_BY_FORCE = "_by_force"
_Form = TypeVar("_Form")


class Company(BaseModel):
    """One company, as the database returns it."""

    company_id: str
    uuid: str | None
    name: str | None = None
    owner: str | None = None
    was_there: bool = False
    """Whether it was mapped before the command."""
    former_owner: str | None = None
    former_uuid: str | None = None


@app.command(
    epilog=examples(
        f"botlive company add {_SHOP} --name 'Boutique Awa'",
        "botlive company add boutique-awa \\",
        f"    --owner {_UUID}",
    )
)
def add(
    text_id: TextId,
    uuid: Annotated[
        UUID | None, typer.Option(help="Its id in the table companies; by default a new one.")
    ] = None,
    owner: Owner = None,
    name: Annotated[str | None, typer.Option(help="The shop's name; by default TEXT_ID.")] = None,
    force: Force = False,
) -> None:
    """Create a company and its mapping. Safe to repeat: an existing shop keeps its owner and its name."""
    arguments = {"text_id": text_id, "shop": uuid, "owner": owner, "shop_name": name}
    company = _call(f"botlive_company_add{_BY_FORCE if force else ''}", arguments, Company)
    _say("already exists:" if company.was_there else "added", company)


@app.command(
    epilog=examples(
        "botlive company link boutique-awa \\",
        f"    {_UUID}",
        "botlive company link boutique-awa --force \\",
        f"    --owner {_UUID}",
    )
)
def link(
    text_id: TextId,
    uuid: Annotated[
        UUID | None, typer.Argument(metavar="[UUID]", help="Its id in the table companies.")
    ] = None,
    uuid_option: Annotated[UUID | None, typer.Option("--uuid", help="The same as the argument UUID.")] = None,
    owner: Owner = None,
    force: Force = False,
) -> None:
    """Map TEXT_ID to an existing company, set its owner, or both."""
    arguments = {"text_id": text_id, "shop": uuid or uuid_option, "owner": owner}
    _say("linked", _call(f"botlive_company_link{_BY_FORCE if force else ''}", arguments, Company))


@app.command(name="list", epilog=examples("botlive company list"))
def list_companies() -> None:
    """Show all companies that Botlive knows, with or without a mapping.

    If stdout is not a terminal, tabs separate the columns: company_id, uuid, name, owner.
    """
    companies = _call("botlive_company_list", {}, list[Company])
    if not sys.stdout.isatty():
        for company in companies:
            say(*(cell.plain for cell in _row(company)))
        return
    table = Table(*(Column(name, overflow="fold") for name in ("company_id", "uuid", "name", "owner")))
    for company in companies:
        table.add_row(*_row(company))
    Screen().print(table)


def _call(function: str, arguments: dict[str, Any], form: type[_Form]) -> _Form:
    texts = {key: str(value) for key, value in arguments.items() if value is not None}
    if any("\udc80" <= letter <= "\udcff" for text in texts.values() for letter in text):
        raise typer.BadParameter("an argument is not valid UTF-8", param_hint="the arguments")
    gateway = Gateway.connect(Settings.from_env())
    try:
        answer = gateway.call(function, texts)
    finally:
        gateway.close()
    return shaped(answer, form)


def _row(company: Company) -> list[Text]:
    return [
        _text(company.company_id),
        _text(company.uuid) if company.uuid else Text("not mapped", style="red"),
        _text(company.name or ""),
        _text(company.owner) if company.owner else Text("nobody", style="dim"),
    ]


def _text(value: str) -> Text:
    return Text(printable(mask_text(value)))


def _say(done: str, company: Company) -> None:
    named = f"{company.company_id} {company.uuid} owner={company.owner or 'nobody'}"
    say(mask_text(f"{done} {named}{''.join(_changes(company))}"))


def _changes(company: Company) -> Iterator[str]:
    """Yield what changed for a shop that already existed."""
    if company.was_there and company.owner != company.former_owner:
        yield f"; its owner was {company.former_owner or 'nobody'}"
    if company.former_uuid and company.uuid != company.former_uuid:
        yield f"; it was mapped to {company.former_uuid}"
