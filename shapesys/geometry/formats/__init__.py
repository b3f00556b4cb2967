"""Mesh file formats: each module turns the bytes of one format into vertices and faces, and nothing else."""
