"""Where shapes come from: one file per data-set layout, one for any folder, one procedural.

`registry.build_source` makes one from its name and plain settings; `base.Source` is what a new one implements.
"""
