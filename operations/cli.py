"""The console script ``botlive``. A command's module is imported only when it is the one called."""

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

from gateway import origin
from gateway.letters import plain
from gateway.release import release
from operations import streams

if TYPE_CHECKING:
    from typer import Typer

_OURS = frozenset({*origin.OURS, "devstack", "sql"})

_OF_TEXTS = frozenset({"company", "failures"})  # of the others' arguments some are names of files


class Command(NamedTuple):
    """Where a command is, what it needs installed, and what it does."""

    target: str
    """``module:attribute``, a function or a ``typer.Typer``."""
    extra: str
    """Of the distribution; several are separated by commas."""
    help: str


COMMANDS = {
    "company": Command("operations.commands.company:app", "worker", "Say which shop is which company."),
    "dashboard": Command(
        "operations.commands.dashboard:dashboard",
        "worker,dashboard",
        "Show the queue in a browser (rq-dashboard).",
    ),
    "failures": Command(
        "operations.commands.failures:app", "worker", "List, replay or discard what was refused."
    ),
    "migrate": Command("operations.commands.migrate:migrate", "worker", "Bring the database up to date."),
    "outbox": Command("operations.commands.outbox:app", "worker", "What waits in a chat's outbox."),
    "publish": Command("operations.commands.publish:publish", "worker", "Publish events from NDJSON."),
    "reconcile": Command(
        "operations.commands.reconcile:reconcile", "worker", "Say what became of NDJSON's events."
    ),
    "status": Command("operations.commands.status:status", "worker", "How many events wait, and who works."),
    "worker": Command("operations.commands.worker:worker", "worker", "Persist the events that wait."),
    "stack": Command("devstack.cli:app", "stack", "Run Redis, PostgreSQL and the gateway locally."),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the arguments (by default the process's own) name, and exit.

    Exit codes: 0 done, 1 failed, 2 wrongly called or not fully installed, others per command.
    """
    streams.harden()
    arguments = [*(sys.argv[1:] if arguments is None else arguments)]
    name = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    _look_at_the_origin("devstack" if name == "stack" else "worker")
    if name in _OF_TEXTS:
        arguments = streams.as_typed(arguments)
    try:
        _loaded(name)(args=arguments, prog_name="botlive")
    except SystemExit as ended:
        _exit(ended.code)
    except Exception as error:
        failure = _failure(name, error)
        if failure is None:
            raise
        sys.stderr.write(f"{plain(str(failure))}\n")
        sys.exit(_exit_code(failure))
    _exit(0)


def _look_at_the_origin(needed: str) -> None:
    if what := origin.problem(needed):
        sys.stderr.write(f"{plain(what)}\n")
        sys.exit(2)
    if what := origin.warning():
        sys.stderr.write(f"note: {plain(what)}\n")


def _exit(code: Any) -> NoReturn:
    """Exit; where a command did its part and its output is lost, that is no success."""
    if sys.stdout:
        sys.stdout.flush()
    if not code and (why := streams.lost()):
        sys.stderr.write(f"what botlive said could not be written ({why}): what it did is done\n")
        code = 1
    sys.exit(code)


def _loaded(name: str) -> "Typer":
    """The commands. Looking for garbage in what is imported for good would be a tenth of the start."""
    gc.disable()
    try:
        return _app(name)
    finally:
        gc.freeze()
        gc.enable()


def _app(name: str) -> "Typer":
    """All commands by name and help, of which only the one called is real."""
    from typer import Typer

    app = Typer(
        help="Carries Botlive's events to the shops' tables in Supabase.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        # Its tracebacks show local variables: customers' data.
        pretty_exceptions_enable=False,
    )
    _add_version(app)
    for other, command in COMMANDS.items():
        _add(app, other, command, _load(command) if other == name else _not_called)
    return app


def _add(app: "Typer", name: str, command: Command, target: Any) -> None:
    from typer import Typer

    if isinstance(target, Typer):
        app.add_typer(target, name=name, help=command.help)
    else:
        app.command(name, short_help=command.help)(target)


def _load(command: Command) -> Any:
    module, _, attribute = command.target.partition(":")
    return getattr(import_module(module), attribute)


def _add_version(app: "Typer") -> None:
    from typer import Exit, Option

    def show(wanted: bool) -> None:
        if wanted:
            sys.stdout.write(f"botlive {release()}\n")
            raise Exit

    shown = Option("--version", help="Show the version and exit.", is_eager=True, callback=show)

    @app.callback()
    def _options(version: Annotated[bool, shown] = False) -> None:
        """What stands before the command's name."""


def _not_called() -> None:
    """Stands for a command that is only listed."""


# These imports bring pydantic, which a listing of the commands does not need.


def _failure(name: str, error: Exception) -> Exception | None:
    """What to tell in one line, or None for a fault of the program, which keeps its traceback."""
    from events.errors import BotliveError
    from gateway.errors import DevelopmentOnly, MissingExtra

    if isinstance(error, BotliveError):
        return error
    if isinstance(error, ModuleNotFoundError) and error.name == "devstack":
        return DevelopmentOnly()
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in _OURS:
        return MissingExtra(f"botlive {name}", COMMANDS[name].extra) if name else MissingExtra()
    return None


def _exit_code(failure: Exception) -> int:
    from events.errors import InvalidRedisUrl
    from gateway.errors import DevelopmentOnly, MissingExtra, SettingError

    return 2 if isinstance(failure, DevelopmentOnly | MissingExtra | SettingError | InvalidRedisUrl) else 1
