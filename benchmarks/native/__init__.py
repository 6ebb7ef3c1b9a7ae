"""`make bench-native`: backend native compared with LiteRT and other tools, by ratios measured in one run."""
