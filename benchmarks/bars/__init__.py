"""`make bench-export` and `make bench-models`: the export's checks, model by model, beside other tools."""
