"""`make bench-native`: backend native beside LiteRT and other tools, as ratios that are measured in one run."""
