"""The warehouse's server and shape: connections, the embedded Postgres, migrations and the views that people query."""
