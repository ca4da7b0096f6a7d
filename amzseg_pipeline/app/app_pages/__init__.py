"""The pages, in the order of the navigation in main.py; Streamlit runs each file as a script."""
