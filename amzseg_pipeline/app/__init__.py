"""SHOW: Streamlit pages over what is published. It reads through storage/ and scores with steps/.

Never Dagster, never a pickle.
main.py names the pages; app_pages/ holds them, a file each. No other room needs this one.
"""
