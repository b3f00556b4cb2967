"""shapesys: train and evaluate neural 3D-shape models at scale on Ray."""

__version__ = "0.1.0"
