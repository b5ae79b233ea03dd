"""`python -m atendeja.simulator`: the simulator alone, without the app's configuration."""

import argparse
import os
import sys

from atendeja.errors import Refused
from atendeja.simulator import Settings, serve


def main() -> int:
    """Serve until stopped; 1 when refused."""
    usual = Settings()
    parser = argparse.ArgumentParser(
        prog="atendeja.simulator", description="A Cloud API to talk to. WA_APP_SECRET signs its webhooks."
    )
    parser.add_argument("--port", type=int, default=usual.port)
    parser.add_argument("--webhook", metavar="URL", help="where webhooks go")
    parser.add_argument("--log", metavar="FILE", help="the witness's file")
    given = parser.parse_args()
    secret = os.environ.get("WA_APP_SECRET", usual.app_secret).split(",")[0]
    try:
        serve(Settings(port=given.port, webhook_url=given.webhook, log=given.log, app_secret=secret))
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
