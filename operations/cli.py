"""The console script ``botlive``. It imports only the module of the command that is called."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

from gateway import origin
from gateway.letters import printable
from gateway.release import release
from operations import completion, streams
from operations.examples import examples
from operations.exits import ExitCode

if TYPE_CHECKING:
    from typer import Typer

_OURS = frozenset({*origin.OURS, "devstack", "sql"})

_TAKES_TEXT = frozenset(
    {"company", "erase", "failures"}
)  # other commands take file names, which stay as they are


class Command(NamedTuple):
    """The location of a command, the extras that it needs, and its help."""

    target: str
    """``module:attribute``; the attribute is a function or a ``typer.Typer``."""
    extra: str
    """The extras of the distribution, separated by commas."""
    help: str


COMMANDS = {
    "alerts": Command(
        "operations.commands.alerts:alerts", "worker", "Send the problems of a queue to a webhook."
    ),
    "company": Command(
        "operations.commands.company:app", "worker", "Map shops of Botlive to companies of Lovable."
    ),
    "dashboard": Command(
        "operations.commands.dashboard:dashboard",
        "worker,dashboard",
        "Show the queue and the failed jobs in a browser.",
    ),
    "doctor": Command("operations.commands.doctor:doctor", "worker", "Check the installation."),
    "erase": Command("operations.commands.erase:erase", "worker", "Erase the personal data of one customer."),
    "failures": Command(
        "operations.commands.failures:app", "worker", "List, replay, edit or discard refused events."
    ),
    "migrate": Command(
        "operations.commands.migrate:migrate", "worker", "Update the database to this release."
    ),
    "outbox": Command("operations.commands.outbox:app", "worker", "Show or deliver the outbox of a chat."),
    "prune": Command("operations.commands.prune:prune", "worker", "Delete old rows of the database."),
    "publish": Command(
        "operations.commands.publish:publish", "worker", "Publish the events of an NDJSON file."
    ),
    "reconcile": Command(
        "operations.commands.reconcile:reconcile", "worker", "Compare an NDJSON file with what was persisted."
    ),
    "status": Command("operations.commands.status:status", "worker", "Show the queue and its workers."),
    "worker": Command("operations.commands.worker:worker", "worker", "Persist the events on the queue."),
    "stack": Command("devstack.cli:app", "stack", "Run Redis, PostgreSQL and the REST API locally."),
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command named in the arguments (by default those of the process), and exit.

    ``ExitCode`` lists the exit codes.
    """
    streams.harden()
    try:
        _run([*(sys.argv[1:] if arguments is None else arguments)])
    except KeyboardInterrupt:  # while the modules are loaded; later typer ends the command
        sys.exit(ExitCode.INTERRUPTED)


def _run(arguments: Sequence[str]) -> NoReturn:
    words = completion.words(os.environ) or arguments
    name = words[0] if words and words[0] in COMMANDS else ""
    _look_at_the_origin("devstack" if name == "stack" else "worker")
    if name in _TAKES_TEXT:
        arguments = streams.as_typed(arguments)
    try:
        _loaded(name)(args=arguments, prog_name="botlive")
    except SystemExit as ended:
        _exit(ended.code)
    except Exception as error:
        failure = _failure(name, error)
        if failure is None:
            raise
        sys.stderr.write(f"{printable(str(failure))}\n")
        sys.exit(_exit_code(failure))
    _exit(0)


def _look_at_the_origin(needed: str) -> None:
    if what := origin.problem(needed):
        sys.stderr.write(f"{printable(what)}\n")
        sys.exit(ExitCode.WRONG_CALL)
    if what := origin.warning():
        sys.stderr.write(f"note: {printable(what)}\n")


def _exit(code: Any) -> NoReturn:
    """Exit; if the output was lost, the exit code is 1 even if the command itself succeeded."""
    if sys.stdout:
        sys.stdout.flush()
    if not code and (why := streams.lost()):
        sys.stderr.write(
            f"the output of botlive could not be written ({why}): the command itself has succeeded\n"
        )
        code = ExitCode.FAILED
    sys.exit(code)


def _loaded(name: str) -> "Typer":
    """Load the commands without garbage collection, which would take a tenth of the start-up time."""
    gc.disable()
    try:
        return application(name)
    finally:
        gc.freeze()
        gc.enable()


def application(name: str) -> "Typer":
    """Build the application: all commands are listed, but only the one that is called is loaded."""
    from typer import Typer

    app = Typer(
        help="Delivers Botlive's events to the shops' tables in Supabase.",
        no_args_is_help=True,
        rich_markup_mode=None,
        # Typer's tracebacks would show local variables, and so customers' data.
        pretty_exceptions_enable=False,
        epilog=examples("botlive publish day.ndjson", "botlive status --watch", "botlive doctor"),
    )
    _add_version(app)
    for other, command in COMMANDS.items():
        if other == name:
            _add(app, name, command)
        else:
            app.command(other, short_help=command.help)(_not_called)
    return app


def _add(app: "Typer", name: str, command: Command) -> None:
    from typer import Typer

    module_name, _, attribute = command.target.partition(":")
    module = import_module(module_name)
    target = getattr(module, attribute)
    if isinstance(target, Typer):
        app.add_typer(target, name=name, help=command.help)
    else:
        app.command(name, short_help=command.help, epilog=getattr(module, "EPILOG", None))(target)


def _add_version(app: "Typer") -> None:
    from typer import Exit, Option

    def show(wanted: bool) -> None:
        if wanted:
            sys.stdout.write(f"botlive {release()}\n")
            raise Exit

    shown = Option("--version", help="Show the version and exit.", is_eager=True, callback=show)

    @app.callback()
    def _options(version: Annotated[bool, shown] = False) -> None:
        """Declare the options before the command's name."""


def _not_called() -> None:
    """Placeholder for a command that is only listed."""


# The imports below load pydantic. They are local, because listing the commands does not need it.


def _failure(name: str, error: Exception) -> Exception | None:
    """Return the error to show in one line, or None for a bug, which keeps its traceback."""
    from events.errors import BotliveError
    from operations.errors import DevelopmentOnly, FileUnusable, MissingExtra

    if isinstance(error, BotliveError):
        return error
    if isinstance(error, OSError) and error.filename is not None:
        return FileUnusable(str(error.filename), error.strerror or type(error).__name__)
    if isinstance(error, ModuleNotFoundError) and error.name == "devstack":
        return DevelopmentOnly()
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in _OURS:
        return MissingExtra(f"botlive {name}", COMMANDS[name].extra) if name else MissingExtra()
    return None


def _exit_code(failure: Exception) -> ExitCode:
    from events.errors import InvalidRedisUrl
    from gateway.errors import SettingError
    from operations.errors import DevelopmentOnly, MissingExtra

    wrong = DevelopmentOnly | MissingExtra | SettingError | InvalidRedisUrl
    return ExitCode.WRONG_CALL if isinstance(failure, wrong) else ExitCode.FAILED


if __name__ == "__main__":
    main()
