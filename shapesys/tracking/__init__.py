"""Where a run's parameters, curves and artifacts go."""
