"""Templates: the boundaries of a sample, and what makes them safe."""
