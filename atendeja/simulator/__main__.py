"""`python -m atendeja.simulator`: the simulator alone, without the app's configuration."""

import argparse
import sys

from atendeja.simulator import Settings, main

parser = argparse.ArgumentParser(prog="atendeja.simulator", description="A Cloud API to talk to. WA_APP_SECRET signs its webhooks.")
parser.add_argument("--port", type=int, default=Settings().port)
parser.add_argument("--webhook", metavar="URL", help="where webhooks go")
parser.add_argument("--log", metavar="FILE", help="the witness's file")
sys.exit(main(**vars(parser.parse_args())))
