"""One outside system per file or folder: HTTP and its quirks, no Prefect, no warehouse."""
