"""The command line: `atendeja COMMAND`. 0 done, 1 refused with a clear line on standard error, 2 wrong usage."""

import sys

from cyclopts import App, CycloptsError

from atendeja import __version__, log
from atendeja.cli import admin, api, audit, flow, letters, media, retention, secret, sending, serving, spend
from atendeja.errors import AtendejaError

app = App(name="atendeja", help="Answers a small business's customers on WhatsApp.", version=__version__, help_format="plaintext")
for part in (serving, admin, flow, media, sending, letters, spend, retention, audit, secret, api):
    part.add_to(app)


def main() -> None:
    """Entry point of the `atendeja` program."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    log.configure(format="console")  # until the settings are read
    try:
        result = app(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return 2
    except AtendejaError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
