"""Names in generated C: turns the name of a model into a valid identifier."""

# Words of C and C++. As a prefix they would be valid, but confuse readers.
_RESERVED = frozenset(("auto", "char", "double", "float", "int", "long", "main", "short", "signed", "static", "void"))


def identifier(name: str) -> str:
    """Return a C identifier for a name, in small letters: "Digits 2-int8" becomes "digits_2_int8".

    A character that is not ASCII becomes u and its hexadecimal number, so that different names stay different.
    Runs of other ASCII characters become one underscore. A name that begins with a digit, is empty or is a type gets
    the prefix "model_".
    """
    spelled = (each if each.isascii() else f"u{ord(each):x}" for each in name.lower())
    found = "_".join("".join(each if each.isalnum() else " " for each in spelled).split())
    return f"model_{found}".rstrip("_") if not found or found[0].isdigit() or found in _RESERVED else found
