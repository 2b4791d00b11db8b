"""Puts questions to a folder of snapshots as others would: sql.py duckdb|spark FOLDER. Each line of standard input is a
statement as JSON; its rows are one line of the output, numbers as numbers."""
import json
import sys

engine, folder = sys.argv[1:]
if engine == "duckdb":
    import duckdb

    def ask(statement):
        return duckdb.sql(statement).fetchall()

    duckdb.sql("CREATE VIEW objects AS SELECT * FROM read_parquet('%s/*.parquet', file_row_number = true)" % folder)
else:
    from pyspark.sql import SparkSession

    # Nobody but us is to reach it.
    settings = {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
                "spark.sql.shuffle.partitions": "2"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.read.parquet(folder).createOrReplaceTempView("objects")

    def ask(statement):
        return [tuple(row) for row in spark.sql(statement).collect()]

for line in sys.stdin:
    # Spark's sums of unsigned numbers are decimals.
    print(json.dumps(ask(json.loads(line)), default=int), flush=True)
