"""The Streamlit application: router, state, figures and components around `mistral_core`."""
