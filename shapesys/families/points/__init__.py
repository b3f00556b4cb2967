"""What all families on point clouds share: settings, sampling, the objective, inference."""
