"""The pages, one file each; main.py sets their order and Streamlit runs each file as a script."""
