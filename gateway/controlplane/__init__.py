"""The admin API: FastAPI and pydantic live here and nowhere else."""
