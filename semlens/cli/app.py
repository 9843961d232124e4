"""The commands that show an index as a page: `serve`, `export`."""

from pathlib import Path

import click

import semlens as sl
from semlens.cli.common import NewFolder, Progress, app, as_json, print_json, say

images_option = click.option(
    "--images",
    multiple=True,
    help="Where the index's images are, to show them whole; read with its --background and the like.",
)
model_option = click.option(
    "--model", multiple=True, help="The studied model, for heat maps and edges. It runs its code."
)
vocabulary_option = click.option(
    "--vocabulary", help="Label from this where no labels are stored: a file, `imagenet`, `wordnet`."
)
untrained_option = click.option(
    "--untrained",
    type=click.Path(path_type=Path),
    help="An index of the untrained twin (build --untrained): what Compare and measures are held against as well.",
)
index_folders = click.argument("indexes", nargs=-1, required=True, type=click.Path(path_type=Path))


@app.command()
@index_folders
@images_option
@model_option
@vocabulary_option
@untrained_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve on; others than this machine's need the token.",
)
@click.option("--port", type=click.IntRange(0, 65535), help="Default: 8765, or any free one if that is taken.")
@click.option("--token/--no-token", default=True, help="Without, every user of this machine can open the page.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def serve(
    indexes: tuple[Path, ...], images: tuple[str, ...], model: tuple[str, ...], vocabulary: str | None,
    untrained: Path | None, host: str, port: int | None, token: bool, browser: bool,
) -> None:  # fmt: skip
    """Open an index as a web page: search, map, components, audit, graph; of two indexes also what they share.

    Everything stays on this machine. Tags and notes are kept in INDEX/annotations.sqlite.
    """
    from semlens.app.server import serve as run
    from semlens.app.session import open_session

    session = open_session(indexes, images=images, model=model, vocabulary=vocabulary, untrained=untrained)

    def say(address: str) -> None:
        print(f"semlens: {address}  (Ctrl-C stops)", flush=True)

    run(session, host=host, port=port, token=token, browser=browser, say=say)


@app.command()
@index_folders
@click.option("--site", required=True, type=NewFolder(), help="A new folder.")
@images_option
@model_option
@vocabulary_option
@untrained_option
@click.option("--spec", multiple=True, help="An audit to show: a YAML file, or a name as for `audit`.")
@as_json
def export(
    indexes: tuple[Path, ...], site: Path, images: tuple[str, ...], model: tuple[str, ...], vocabulary: str | None,
    untrained: Path | None, spec: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Write the page as a folder of files, for any web server: what is known, without what has to be asked."""
    from semlens.app.export import export as write
    from semlens.app.session import open_session

    specs = [sl.load_spec(name) for name in spec]
    session = open_session(indexes, images=images, model=model, vocabulary=vocabulary, frozen=True, untrained=untrained)
    try:
        with Progress() as progress:
            written = write(session, site, specs, progress=progress)
    finally:
        session.close()
    if as_json:
        return print_json([{"site": str(written.folder), "files": written.files, "bytes": written.bytes}])
    say(f"{written.files:,} files, {written.bytes / 1e6:,.1f} MB; look at it: python -m http.server -d {site}")
