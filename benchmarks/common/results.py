"""Files of results, from which a page can be written again without measuring."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgernn.errors import DataError

FORMAT = 1


def read_results(file: Path, target: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Read the results of a make target, and check that these parts are there.

    Raises:
        DataError: the file cannot be read, has another format, or is incomplete.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise DataError(f"{file}: expected results of `make {target}`, format {FORMAT}; run it again")
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{file}: incomplete result, without {', '.join(missing)}; run `make {target}` again")
    return found
