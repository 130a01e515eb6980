-- One table; the rest of what a script is for stands in memory/schema.c.
CREATE TABLE IF NOT EXISTS st_mem_two
