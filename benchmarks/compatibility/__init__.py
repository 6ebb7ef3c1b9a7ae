"""`make compatibility`: every artifact on every runtime, for docs/compatibility.md."""
