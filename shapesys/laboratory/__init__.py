"""Experiments in one and two dimensions that show, by number and in pictures, why sign-agnostic learning works."""
