"""What the operators of dupdash need: health checks, metrics, the doctor, the cleaning of old jobs."""
