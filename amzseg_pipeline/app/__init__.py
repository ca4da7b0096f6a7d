"""The Streamlit app: pages that show the latest published snapshot and score users with its model.

It reads through storage/ and computes with steps/; it imports no Dagster and loads no pickle. main.py lists the pages,
app_pages/ defines them.
"""
