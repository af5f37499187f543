CREATE TABLE accounts (
    account          TEXT PRIMARY KEY NOT NULL, -- bare address
    iterations       INTEGER NOT NULL,
    sha1_salt        BLOB NOT NULL,
    sha1_stored      BLOB NOT NULL,
    sha1_server      BLOB NOT NULL,
    sha256_salt      BLOB NOT NULL,
    sha256_stored    BLOB NOT NULL,
    sha256_server    BLOB NOT NULL,
    created_unix_s   INTEGER NOT NULL,
    password_set_unix_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    token_hash     BLOB PRIMARY KEY NOT NULL, -- SHA-256; the token itself is kept nowhere
    account        TEXT,                      -- for whom; NULL when the person chooses the name
    expires_unix_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contacts (
    account      TEXT NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,
    contact      TEXT NOT NULL,
    name         TEXT,
    groups       TEXT NOT NULL, -- JSON list
    subscription TEXT NOT NULL,
    ask          INTEGER NOT NULL,
    pending_in   INTEGER NOT NULL,
    PRIMARY KEY (account, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
