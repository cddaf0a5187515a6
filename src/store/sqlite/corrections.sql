-- The corrections of sites. Kept for ever. note: JSON.
CREATE TABLE IF NOT EXISTS corrections (
    site          INTEGER NOT NULL,
    number        INTEGER NOT NULL CHECK (number > 0),
    producer      BLOB    NOT NULL,
    note          TEXT    NOT NULL,
    steps         INTEGER NOT NULL CHECK (steps > 0),
    site_views    INTEGER NOT NULL,
    article_views INTEGER NOT NULL,
    undone_by     INTEGER,
    PRIMARY KEY (site, number),
    UNIQUE (site, producer)
) WITHOUT ROWID, STRICT;

-- The changes of the steps of the latest corrections, and of earlier ones until they are deleted.
CREATE TABLE IF NOT EXISTS changes (
    site    INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    step    INTEGER NOT NULL,
    changes BLOB    NOT NULL,
    PRIMARY KEY (site, number, step)
) STRICT;

-- The most-read lists that lack articles, because counts in them have shrunk. built: the last article that was merged into the list.
CREATE TABLE IF NOT EXISTS lacking (
    site    INTEGER NOT NULL,
    section INTEGER NOT NULL,
    bucket  TEXT    NOT NULL,
    built   TEXT    NOT NULL,
    PRIMARY KEY (site, section, bucket)
) WITHOUT ROWID, STRICT;
