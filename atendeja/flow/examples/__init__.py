"""The flows that ship with AtendeJá, ready to be published or to be copied and changed."""

from importlib.resources import files


def examples() -> dict[str, str]:
    """The text of each shipped flow by its key, in order. Reads the package's own files."""
    found = [file for file in files(__name__).iterdir() if file.name.endswith(".yaml")]
    return {file.name.removesuffix(".yaml"): file.read_text("utf-8") for file in sorted(found, key=lambda file: file.name)}
