"""Where shapes come from: one file per data-set layout, one for any folder, one procedural.

`registry.get_source` looks a source up by name; `base.Source` is what a new one implements.
"""
