"""One engine that owns the models and serves many sessions."""
