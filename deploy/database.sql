-- Run once by the image of PostgreSQL when it makes its data folder: a role that owns its database and nothing else.
\getenv password GLEANER_DATABASE_PASSWORD
CREATE ROLE gleaner LOGIN PASSWORD :'password';
CREATE DATABASE gleaner OWNER gleaner;
