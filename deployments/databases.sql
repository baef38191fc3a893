-- Run by the PostgreSQL image once, on an empty volume. The image itself makes `triptych`.
CREATE DATABASE prefect;
