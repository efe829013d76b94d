"""Run directories here and at URLs, atomic writes, and archives that are read with care."""
