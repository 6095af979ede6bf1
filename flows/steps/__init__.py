"""The steps of a run, each a plain function; the flows order them and record them in Prefect."""
