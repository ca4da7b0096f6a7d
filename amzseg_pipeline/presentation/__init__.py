"""Labels, formatting and colours that the app and the figures share. No files, no Dagster, no Streamlit."""
