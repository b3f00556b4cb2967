"""What families that predict fields share: a saliency head with its loss, and latent codes found at test time."""
