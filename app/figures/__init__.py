"""Arrays in, packed bytes or figures out; no Streamlit and no torch here."""
