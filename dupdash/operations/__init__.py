"""Tools for the operators of dupdash: health checks, metrics, the doctor, the deletion of old jobs."""
