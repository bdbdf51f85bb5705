"""``botlive company``: which shop of Botlive is which company of Lovable."""

from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from worker.answers import shaped
from worker.gateway import Gateway
from worker.letters import plain
from worker.masking import mask_text
from worker.output import Screen, say
from worker.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

TextId = Annotated[str, typer.Argument(metavar="TEXT_ID", help="The shop's company_id in Botlive.")]
Owner = Annotated[UUID | None, typer.Option(metavar="USER_ID", help="Of the owner, who must have signed up.")]

_Form = TypeVar("_Form")


class Company(BaseModel):
    """What the database says of one."""

    company_id: str
    uuid: str | None
    name: str | None = None
    owner: str | None = None


@app.command()
def add(
    text_id: TextId,
    uuid: Annotated[UUID | None, typer.Option(help="Its id in companies; by default a new one.")] = None,
    owner: Owner = None,
    name: Annotated[str | None, typer.Option(help="What people call it; by default TEXT_ID.")] = None,
) -> None:
    """Make a company with its mapping. Safe to repeat."""
    arguments = {"text_id": text_id, "shop": uuid, "owner": owner, "shop_name": name}
    _say("added", _call("botlive_company_add", arguments, Company))


@app.command()
def link(
    text_id: TextId,
    uuid: Annotated[UUID | None, typer.Argument(metavar="[UUID]", help="Of a row of companies.")] = None,
    uuid_option: Annotated[UUID | None, typer.Option("--uuid", help="The same, as an option.")] = None,
    owner: Owner = None,
) -> None:
    """Map TEXT_ID to a company that exists, give it its owner, or both."""
    arguments = {"text_id": text_id, "shop": uuid or uuid_option, "owner": owner}
    _say("linked", _call("botlive_company_link", arguments, Company))


@app.command(name="list")
def list_companies() -> None:
    """Show every company that Botlive knows, the unmapped ones too."""
    table = Table("company_id", "uuid", "name", "owner")
    for company in _call("botlive_company_list", {}, list[Company]):
        table.add_row(
            _text(company.company_id),
            _text(company.uuid) if company.uuid else Text("not mapped", style="red"),
            _text(company.name or ""),
            _text(company.owner) if company.owner else Text("nobody", style="dim"),
        )
    Screen().print(table)


def _call(function: str, arguments: dict[str, Any], form: type[_Form]) -> _Form:
    texts = {key: str(value) for key, value in arguments.items() if value is not None}
    if any("\udc80" <= letter <= "\udcff" for text in texts.values() for letter in text):
        raise typer.BadParameter("it is no text in UTF-8", param_hint="an argument")
    gateway = Gateway.connect(Settings.from_env())
    try:
        answer = gateway.call(function, texts)
    finally:
        gateway.close()
    return shaped(answer, form)


def _text(value: str) -> Text:
    return Text(plain(mask_text(value)))


def _say(done: str, company: Company) -> None:
    say(mask_text(f"{done} {company.company_id} {company.uuid} owner={company.owner or 'nobody'}"))
