"""Published tables and figures by name: what to train, what to measure, and the numbers that were published."""
