"""Streamlit components (v2): the html, css and js files lie beside the Python that mounts them."""
