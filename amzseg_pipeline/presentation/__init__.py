"""Labels, number formats and colours shared by the app and the figures. Pure: no files, no Dagster, no Streamlit."""
