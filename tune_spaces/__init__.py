"""Search spaces by family: tune_spaces/<family>/<name>.toml. Data; `shapesys.tuning.spaces` reads them."""
