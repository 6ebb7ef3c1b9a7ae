"""SHA-256 without OpenSSL: `hashlib` loads it, which takes 3.6 MB and 2.7 ms at every start on a device.

Python's own implementation takes 0.1 ms for an artifact of 15 KB. For large files use
`edgernn.system.files.sha256_of`, which is several times as quick for each byte.
"""

from typing import TYPE_CHECKING

__all__ = ["sha256"]

if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12 and later
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:  # a Python that was built without its own implementations
            from hashlib import sha256
