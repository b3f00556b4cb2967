"""Saliency maps of stored clouds: made by fields, by classifiers or by geometry, then measured, drawn and compared."""
