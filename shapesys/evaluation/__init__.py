"""From a trained checkpoint to rows of trustworthy numbers: infer, extract, measure."""
