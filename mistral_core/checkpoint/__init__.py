"""From files to a model and back, in Mistral's layout and in Hugging Face's."""
