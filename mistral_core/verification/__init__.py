"""What `mistral_core.verify` is made of: the operations under test, the subject, and the checks."""
