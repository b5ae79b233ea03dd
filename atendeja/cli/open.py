"""What commands open: the settings of the environment and `.env`, and the database as the application sees it."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from atendeja import app, config, log
from atendeja.config import Config
from atendeja.db import Database


def load_config(**options: object) -> Config:
    """The settings, and the log set up by them. Raises Refused with a line for each that is missing or wrong.

    `options` are settings given on the command line, by the variable's name; None counts as not given.
    """
    given = {name: str(value) for name, value in options.items() if value is not None}
    settings = config.load(os.environ | given, Path(".env"))
    log.configure(settings.log_level, settings.log_format)
    return settings


@contextlib.asynccontextmanager
async def open_database(settings: Config) -> AsyncIterator[Database]:
    """The database, migrated when MIGRATE is auto, for the time of a command."""
    database = await app.wait_for_database(settings)
    try:
        yield database
    finally:
        await database.close()
