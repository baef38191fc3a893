-- The state on PostgreSQL: its tables, and the functions that are all that asks and writes them.
--
-- - A function is one statement of its caller and one transaction: no lock outlasts it, whoever
--   hangs or dies. Nothing is prepared by a connection, so a pooler may stand in between.
-- - Whoever writes takes turns by key: advisory locks on the transaction's id, its customer and its
--   terminal, all at once and in one order, so that nobody waits for one another in a circle.
-- - The counts of busy keys are kept by a trigger: see `services/fraud/state/buckets.py`.
--
-- Words in braces are filled in by `schema.py`.

DO $$ BEGIN
    -- IF NOT EXISTS asks for the right to make one also where it is there.
    IF to_regnamespace('fraud_state') IS NULL THEN
        CREATE SCHEMA fraud_state;
    END IF;
END $$;

CREATE TABLE fraud_state.transactions (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- the order of arrival, of a customer
    transaction_id text COLLATE "C" NOT NULL UNIQUE,
    customer_id text COLLATE "C" NOT NULL,
    terminal_id text COLLATE "C" NOT NULL,
    "time" bigint NOT NULL,  -- s since 1970, UTC
    cents bigint NOT NULL,
    is_fraud integer NOT NULL DEFAULT 0,
    answer bytea,  -- null: it came from a snapshot
    labelled_at double precision  -- null: its label is from a snapshot
-- Read from the indices alone where that is possible, which takes a vacuum now and then.
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX customers ON fraud_state.transactions (customer_id, "time") INCLUDE (cents, seq);
CREATE INDEX terminals ON fraud_state.transactions (terminal_id, "time") INCLUDE (is_fraud);

CREATE TABLE fraud_state.early_labels (  -- of transactions that are not here yet
    transaction_id text COLLATE "C" PRIMARY KEY,
    is_fraud integer NOT NULL,
    labelled_at double precision NOT NULL  -- s since 1970, UTC
);

CREATE TABLE fraud_state.facts (  -- one row
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version integer NOT NULL,  -- of this schema
    since bigint,  -- what the history covers: see `completeness.py`
    as_of bigint,
    labelled_until bigint,
    snapshot text,  -- digest of the one that was loaded last
    source text  -- whose transactions these are
) WITH (fillfactor = 50);
INSERT INTO fraud_state.facts (version) VALUES ({VERSION});

CREATE TABLE fraud_state.busy_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind integer NOT NULL,  -- 0: a customer, 1: a terminal
    key text COLLATE "C" NOT NULL,
    UNIQUE (kind, key)
);
CREATE TABLE fraud_state.bucket_counts (
    busy_key bigint NOT NULL,
    level integer NOT NULL,  -- 0 to 3: seconds, minutes, hours, days
    bucket bigint NOT NULL,  -- time divided by the bucket's length
    rows bigint NOT NULL,
    total bigint NOT NULL,  -- a customer's cents, a terminal's frauds
    PRIMARY KEY (busy_key, level, bucket)
-- The bucket of a busy key's day changes with each of its transactions.
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE fraud_state.second_places (  -- of transactions in a second that holds many of a customer's
    seq bigint PRIMARY KEY,
    rows bigint NOT NULL,  -- what came before it in its second
    total bigint NOT NULL
);


-- Windows: what they hold beside the transaction itself, as whole numbers in text, each window's
-- count and sum, the customer's first. "place" is its own in the order of arrival.
CREATE FUNCTION fraud_state.windows(customer text, terminal text, at bigint, place bigint)
RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    busy_customer bigint := (
        SELECT id FROM fraud_state.busy_keys WHERE kind = {CUSTOMER} AND key = customer);
    busy_terminal bigint := (
        SELECT id FROM fraud_state.busy_keys WHERE kind = {TERMINAL} AND key = terminal);
    delayed bigint := at - {DELAY_S};
    of_customer bigint[];
    of_terminal bigint[];
BEGIN
    IF busy_customer IS NULL THEN
        SELECT ARRAY[{CUSTOMER_COUNTS}] INTO of_customer FROM fraud_state.transactions
        WHERE customer_id = customer AND "time" > at - {LONGEST_S} AND "time" <= at
            AND NOT ("time" = at AND seq >= place);
    ELSE
        of_customer := fraud_state.busy_customer(busy_customer, customer, at, place);
    END IF;
    IF busy_terminal IS NULL THEN
        SELECT ARRAY[{TERMINAL_COUNTS}] INTO of_terminal FROM fraud_state.transactions
        WHERE terminal_id = terminal AND "time" > delayed - {LONGEST_S} AND "time" <= delayed;
    ELSE
        of_terminal := fraud_state.added_up(busy_terminal, delayed + 1, delayed + 1);
    END IF;
    RETURN array_to_string(of_customer || of_terminal, ' ');
END $$;

CREATE FUNCTION fraud_state.added_up(busy bigint, after_end bigint, until bigint)
RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY[{SUMS}] FROM ({ADD_UP}) AS added ({SUM_NAMES});
END $$;

-- Of its own second, a transaction sees what arrived before it.
CREATE FUNCTION fraud_state.busy_customer(busy bigint, customer text, at bigint, place bigint)
RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    earlier_rows bigint;
    earlier_total bigint;
    before bigint[];
BEGIN
    IF place = {NEW} THEN
        RETURN fraud_state.added_up(busy, at + 1, at + 1);
    END IF;
    before := fraud_state.added_up(busy, at + 1, at);
    SELECT rows, total INTO earlier_rows, earlier_total
    FROM fraud_state.second_places WHERE seq = place;
    IF NOT FOUND THEN  -- few are in its second
        SELECT count(*), coalesce(sum(cents), 0) INTO earlier_rows, earlier_total
        FROM fraud_state.transactions
        WHERE customer_id = customer AND "time" = at AND seq < place;
    END IF;
    RETURN ARRAY(
        SELECT value + CASE number % 2 WHEN 1 THEN earlier_rows ELSE earlier_total END
        FROM unnest(before) WITH ORDINALITY AS counted (value, number) ORDER BY number);
END $$;


-- Asking: of one moment. Of a transaction that is known its content and, if it has got one, its
-- answer; otherwise its windows.
CREATE FUNCTION fraud_state.ask(
    asked_id text, asked_customer text, asked_terminal text, asked_time bigint,
    OUT answer bytea, OUT customer_id text, OUT terminal_id text, OUT cents bigint,
    OUT "time" bigint, OUT windows text,
    OUT since bigint, OUT as_of bigint, OUT labelled_until bigint
) LANGUAGE plpgsql STABLE
{PLANS} AS $$
DECLARE
    place bigint;
BEGIN
    SELECT t.seq, t.answer, t.customer_id, t.terminal_id, t.cents, t."time"
    INTO place, answer, customer_id, terminal_id, cents, "time"
    FROM fraud_state.transactions AS t WHERE t.transaction_id = asked_id;
    IF answer IS NULL THEN
        windows := fraud_state.windows(
            asked_customer, asked_terminal, asked_time, coalesce(place, {NEW}));
    END IF;
    SELECT f.since, f.as_of, f.labelled_until INTO since, as_of, labelled_until
    FROM fraud_state.facts AS f;
END $$;


-- Turns: the keys are locked until the transaction ends.
CREATE FUNCTION fraud_state.turns(ids text[], customers text[], terminals text[])
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- What others have written before their turn ended is only seen so.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE 'the state needs transactions of isolation level "read committed", not "%"',
            current_setting('transaction_isolation');
    END IF;
    PERFORM pg_advisory_xact_lock(number) FROM (
        SELECT hashtextextended(key, {ID_SEED}) AS number FROM unnest(ids) AS key
        UNION SELECT hashtextextended(key, {CUSTOMER_SEED}) FROM unnest(customers) AS key
        UNION SELECT hashtextextended(key, {TERMINAL_SEED}) FROM unnest(terminals) AS key
        ORDER BY number
    ) AS numbers;
END $$;

-- Recording: an answer to what was decided on, if that is still so.
--   recorded          it is; with its row of the log, if one was given
--   answer, content   otherwise, where the transaction is known
--   windows           otherwise, where they are others than those decided on
CREATE FUNCTION fraud_state.record(
    asked_id text, asked_customer text, asked_terminal text, asked_cents bigint, asked_time bigint,
    seen text, decided bytea, log_row json, patience_ms text,
    OUT recorded boolean, OUT answer bytea, OUT customer_id text, OUT terminal_id text,
    OUT cents bigint, OUT "time" bigint, OUT windows text
) LANGUAGE plpgsql VOLATILE
{PLANS} AS $$
DECLARE
    place bigint;
BEGIN
    recorded := false;
    PERFORM set_config('lock_timeout', patience_ms, true);
    PERFORM fraud_state.turns(ARRAY[asked_id], ARRAY[asked_customer], ARRAY[asked_terminal]);
    SELECT t.seq, t.answer, t.customer_id, t.terminal_id, t.cents, t."time"
    INTO place, answer, customer_id, terminal_id, cents, "time"
    FROM fraud_state.transactions AS t WHERE t.transaction_id = asked_id;
    IF answer IS NOT NULL OR place IS NOT NULL AND (customer_id, terminal_id, cents, "time")
            <> (asked_customer, asked_terminal, asked_cents, asked_time) THEN
        RETURN;
    END IF;
    windows := fraud_state.windows(
        asked_customer, asked_terminal, asked_time, coalesce(place, {NEW}));
    IF windows <> seen THEN
        RETURN;
    END IF;
    IF place IS NULL THEN
        INSERT INTO fraud_state.transactions AS t
            (transaction_id, customer_id, terminal_id, cents, "time", answer)
        VALUES (asked_id, asked_customer, asked_terminal, asked_cents, asked_time, decided);
    ELSE
        UPDATE fraud_state.transactions AS t SET answer = decided WHERE t.seq = place;
    END IF;
    IF log_row IS NOT NULL THEN  -- the log's own table, in the same database
        INSERT INTO fraud_predictions
        SELECT * FROM json_populate_record(NULL::fraud_predictions, log_row)
        ON CONFLICT DO NOTHING;
    END IF;
    recorded := true;
END $$;


-- Labels, in the order in which they came; how many are of known transactions. Null: nothing was
-- done, for a transaction has come meanwhile whose terminal was not locked: call it again.
CREATE FUNCTION fraud_state.label(ids text[], frauds integer[], ats double precision[])
RETURNS integer LANGUAGE plpgsql VOLATILE
{PLANS} {PATIENCE} AS $$
DECLARE
    locked text[] := ARRAY(
        SELECT terminal_id FROM fraud_state.transactions WHERE transaction_id = ANY (ids));
    known integer := 0;
    newest bigint;
    labelled bigint;
BEGIN
    PERFORM fraud_state.turns(ids, '{}', locked);
    IF EXISTS (
        SELECT FROM fraud_state.transactions
        WHERE transaction_id = ANY (ids) AND terminal_id <> ALL (locked)
    ) THEN
        RETURN NULL;
    END IF;
    FOR place IN 1 .. cardinality(ids) LOOP
        UPDATE fraud_state.transactions
        SET is_fraud = CASE WHEN labelled_at > ats[place] THEN is_fraud ELSE frauds[place] END,
            labelled_at = greatest(labelled_at, ats[place])
        WHERE transaction_id = ids[place] RETURNING "time" INTO labelled;
        IF FOUND THEN
            known := known + 1;
            newest := greatest(newest, labelled);
        ELSE
            INSERT INTO fraud_state.early_labels AS early VALUES (ids[place], frauds[place], ats[place])
            ON CONFLICT (transaction_id) DO UPDATE
            SET is_fraud = excluded.is_fraud, labelled_at = excluded.labelled_at
            WHERE excluded.labelled_at >= early.labelled_at;
        END IF;
    END LOOP;
    PERFORM fraud_state.labelled(newest);
    RETURN known;
END $$;

CREATE FUNCTION fraud_state.labelled(newest bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE fraud_state.facts SET labelled_until = newest
    WHERE newest > coalesce(labelled_until, -1);
END $$;

CREATE FUNCTION fraud_state.labelled_early()
RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    early record;
BEGIN
    SELECT * INTO early FROM fraud_state.early_labels WHERE transaction_id = NEW.transaction_id;
    IF FOUND THEN
        DELETE FROM fraud_state.early_labels WHERE transaction_id = NEW.transaction_id;
        NEW.is_fraud := early.is_fraud;
        NEW.labelled_at := early.labelled_at;
        PERFORM fraud_state.labelled(NEW."time");
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER labelled_early BEFORE INSERT ON fraud_state.transactions
FOR EACH ROW EXECUTE FUNCTION fraud_state.labelled_early();


-- Busy keys.
CREATE FUNCTION fraud_state.count_in(
    of_kind integer, of_key text, at bigint, more_rows bigint, more_total bigint
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    busy bigint := (SELECT id FROM fraud_state.busy_keys WHERE kind = of_kind AND key = of_key);
BEGIN
    IF busy IS NOT NULL THEN
        INSERT INTO fraud_state.bucket_counts AS b
        SELECT busy, level, at / length, more_rows, more_total
        FROM (VALUES {LEVELS}) AS levels (level, length)
        ON CONFLICT (busy_key, level, bucket)
        DO UPDATE SET rows = b.rows + excluded.rows, total = b.total + excluded.total;
        IF more_rows < 0 THEN
            DELETE FROM fraud_state.bucket_counts USING (VALUES {LEVELS}) AS levels (number, length)
            WHERE busy_key = busy AND level = number AND bucket = at / length AND rows = 0;
        END IF;
    END IF;
    RETURN busy;
END $$;

-- Up to a place in the order of arrival: a trigger also sees those that its statement writes
-- later, for which it is called in their turn.
CREATE FUNCTION fraud_state.make_busy(of_kind integer, of_key text, place bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    busy bigint;
BEGIN
    INSERT INTO fraud_state.busy_keys (kind, key) VALUES (of_kind, of_key) RETURNING id INTO busy;
    IF of_kind = {CUSTOMER} THEN
        INSERT INTO fraud_state.bucket_counts
        SELECT busy, {SECOND}, "time", count(*), sum(cents)
        FROM fraud_state.transactions WHERE customer_id = of_key AND seq <= place GROUP BY "time";
        INSERT INTO fraud_state.second_places
        SELECT seq, row_number() OVER seconds - 1, sum(cents) OVER seconds - cents
        FROM fraud_state.transactions WHERE customer_id = of_key AND seq <= place AND "time" IN (
            SELECT bucket FROM fraud_state.bucket_counts
            WHERE busy_key = busy AND level = {SECOND} AND rows > {MOST_IN_SECOND})
        WINDOW seconds AS (PARTITION BY "time" ORDER BY seq);
    ELSE
        INSERT INTO fraud_state.bucket_counts
        SELECT busy, {SECOND}, "time", count(*), sum(is_fraud)
        FROM fraud_state.transactions WHERE terminal_id = of_key AND seq <= place GROUP BY "time";
    END IF;
    INSERT INTO fraud_state.bucket_counts
    SELECT busy, number, bucket / length, sum(rows), sum(total)
    FROM fraud_state.bucket_counts, (VALUES {LEVELS}) AS levels (number, length)
    WHERE busy_key = busy AND level = {SECOND} AND number > {SECOND} GROUP BY 2, 3;
END $$;

-- A busy customer's transactions in a second that holds many have places of their own there. They
-- do not change any more: whoever comes later into this second has a later place.
CREATE FUNCTION fraud_state.give_place(busy bigint, customer text, at bigint, place bigint, own bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    counted record;
BEGIN
    SELECT rows, total INTO counted FROM fraud_state.bucket_counts
    WHERE busy_key = busy AND level = {SECOND} AND bucket = at;
    IF counted.rows = {MOST_IN_SECOND} + 1 THEN  -- all who are there
        INSERT INTO fraud_state.second_places
        SELECT seq, row_number() OVER seconds - 1, sum(cents) OVER seconds - cents
        FROM fraud_state.transactions
        WHERE customer_id = customer AND "time" = at AND seq <= place
        WINDOW seconds AS (ORDER BY seq) ON CONFLICT DO NOTHING;
    ELSIF counted.rows > {MOST_IN_SECOND} THEN
        INSERT INTO fraud_state.second_places
        VALUES (place, counted.rows - 1, counted.total - own) ON CONFLICT DO NOTHING;
    END IF;
END $$;

CREATE FUNCTION fraud_state.keep_counts()
RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    busy bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM fraud_state.count_in(
            {TERMINAL}, NEW.terminal_id, NEW."time", 0, NEW.is_fraud - OLD.is_fraud);
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM fraud_state.count_in({CUSTOMER}, OLD.customer_id, OLD."time", -1, -OLD.cents);
        PERFORM fraud_state.count_in({TERMINAL}, OLD.terminal_id, OLD."time", -1, -OLD.is_fraud);
        DELETE FROM fraud_state.second_places WHERE seq = OLD.seq;
        RETURN NULL;
    END IF;
    busy := fraud_state.count_in({CUSTOMER}, NEW.customer_id, NEW."time", 1, NEW.cents);
    IF busy IS NOT NULL THEN
        PERFORM fraud_state.give_place(busy, NEW.customer_id, NEW."time", NEW.seq, NEW.cents);
    -- Mixed, so that keys which take turns are looked at too.
    ELSIF hashint8(NEW.seq) % {LOOK_EVERY} = 0 AND EXISTS (
        SELECT FROM fraud_state.transactions WHERE customer_id = NEW.customer_id
        LIMIT 1 OFFSET {MOST_ROWS}
    ) THEN
        PERFORM fraud_state.make_busy({CUSTOMER}, NEW.customer_id, NEW.seq);
    END IF;
    busy := fraud_state.count_in({TERMINAL}, NEW.terminal_id, NEW."time", 1, NEW.is_fraud);
    IF busy IS NULL AND hashint8(NEW.seq) % {LOOK_EVERY} = 0 AND EXISTS (
        SELECT FROM fraud_state.transactions WHERE terminal_id = NEW.terminal_id
        LIMIT 1 OFFSET {MOST_ROWS}
    ) THEN
        PERFORM fraud_state.make_busy({TERMINAL}, NEW.terminal_id, NEW.seq);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_counts AFTER INSERT OR DELETE ON fraud_state.transactions
FOR EACH ROW EXECUTE FUNCTION fraud_state.keep_counts();
CREATE TRIGGER keep_frauds AFTER UPDATE OF is_fraud ON fraud_state.transactions
FOR EACH ROW WHEN (NEW.is_fraud <> OLD.is_fraud) EXECUTE FUNCTION fraud_state.keep_counts();


-- Snapshots and old rows; see `history.py`.

-- Some rows of a snapshot, beside requests.
CREATE FUNCTION fraud_state.take_in(
    ids text[], customers text[], terminals text[], all_cents bigint[], times bigint[],
    frauds integer[], OUT added integer, OUT labelled integer, OUT replaced integer
) LANGUAGE plpgsql VOLATILE
{PLANS} {PATIENCE} AS $$
DECLARE
    others bigint[] := ARRAY(  -- known from a snapshot, with other content
        SELECT t.seq FROM unnest(ids, customers, terminals, all_cents, times)
            AS given (id, customer, terminal, cents, at)
        JOIN fraud_state.transactions AS t ON t.transaction_id = given.id
        WHERE t.answer IS NULL AND (t.customer_id, t.terminal_id, t.cents, t."time")
            <> (given.customer, given.terminal, given.cents, given.at));
BEGIN
    PERFORM fraud_state.turns(
        ids,
        customers || ARRAY(
            SELECT customer_id FROM fraud_state.transactions WHERE seq = ANY (others)),
        terminals || ARRAY(
            SELECT terminal_id FROM fraud_state.transactions WHERE seq = ANY (others)));
    -- Their labels wait for a moment, as those of transactions that are still to come. Who has
    -- got an answer meanwhile stays: an answer is for what was sent.
    INSERT INTO fraud_state.early_labels
    SELECT transaction_id, is_fraud, labelled_at FROM fraud_state.transactions
    WHERE seq = ANY (others) AND answer IS NULL AND labelled_at IS NOT NULL;
    DELETE FROM fraud_state.transactions WHERE seq = ANY (others) AND answer IS NULL;
    GET DIAGNOSTICS replaced = ROW_COUNT;
    INSERT INTO fraud_state.transactions
        (transaction_id, customer_id, terminal_id, cents, "time", is_fraud)
    SELECT id, customer, terminal, cents, at, fraud
    FROM unnest(ids, customers, terminals, all_cents, times, frauds) WITH ORDINALITY
        AS given (id, customer, terminal, cents, at, fraud, number)
    WHERE NOT EXISTS (SELECT FROM fraud_state.transactions WHERE transaction_id = id)
    ORDER BY number;
    GET DIAGNOSTICS added = ROW_COUNT;
    added := added - replaced;
    UPDATE fraud_state.transactions AS t SET is_fraud = 1
    FROM unnest(ids, frauds) AS given (id, fraud)
    WHERE fraud = 1 AND t.transaction_id = id AND t.is_fraud = 0 AND t.labelled_at IS NULL;
    GET DIAGNOSTICS labelled = ROW_COUNT;
END $$;

-- All rows of a snapshot, which the caller has put into the temporary table "incoming", into an
-- empty state; how many. Null: it is not empty. Others read meanwhile, but do not write.
CREATE FUNCTION fraud_state.take_in_all()
RETURNS bigint LANGUAGE plpgsql VOLATILE
{PATIENCE} AS $$
DECLARE
    added bigint;
BEGIN
    PERFORM fraud_state.turns('{}', '{}', '{}');
    LOCK TABLE fraud_state.transactions IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM fraud_state.transactions) THEN
        RETURN NULL;
    END IF;
    ALTER TABLE fraud_state.transactions DISABLE TRIGGER USER;
    INSERT INTO fraud_state.transactions
        (transaction_id, customer_id, terminal_id, cents, "time", is_fraud, labelled_at)
    SELECT transaction_id, customer_id, terminal_id, cents, "time",
        coalesce(early.is_fraud, given.is_fraud), early.labelled_at
    FROM incoming AS given LEFT JOIN fraud_state.early_labels AS early USING (transaction_id)
    ORDER BY number;
    GET DIAGNOSTICS added = ROW_COUNT;
    ALTER TABLE fraud_state.transactions ENABLE TRIGGER USER;
    PERFORM fraud_state.labelled(max("time"))
    FROM fraud_state.transactions WHERE labelled_at IS NOT NULL;
    DELETE FROM fraud_state.early_labels AS early USING incoming AS given
    WHERE early.transaction_id = given.transaction_id;
    DELETE FROM fraud_state.busy_keys;
    DELETE FROM fraud_state.bucket_counts;
    DELETE FROM fraud_state.second_places;
    PERFORM fraud_state.make_busy({CUSTOMER}, customer_id, {NEW}) FROM (
        SELECT customer_id FROM fraud_state.transactions
        GROUP BY customer_id HAVING count(*) > {MOST_ROWS}) AS busy;
    PERFORM fraud_state.make_busy({TERMINAL}, terminal_id, {NEW}) FROM (
        SELECT terminal_id FROM fraud_state.transactions
        GROUP BY terminal_id HAVING count(*) > {MOST_ROWS}) AS busy;
    RETURN added;
END $$;

-- Labels older than a time whose transaction never came.
CREATE FUNCTION fraud_state.forget_labels(before bigint)
RETURNS integer LANGUAGE plpgsql VOLATILE
{PATIENCE} AS $$
DECLARE
    old text[] := ARRAY(
        SELECT transaction_id FROM fraud_state.early_labels WHERE labelled_at < before LIMIT 1000);
BEGIN
    PERFORM fraud_state.turns(old, '{}', '{}');
    DELETE FROM fraud_state.early_labels
    WHERE transaction_id = ANY (old) AND labelled_at < before;
    RETURN cardinality(old);
END $$;

CREATE FUNCTION fraud_state.remove(seqs bigint[])
RETURNS integer LANGUAGE plpgsql VOLATILE
{PLANS} {PATIENCE} AS $$
DECLARE
    removed integer;
BEGIN
    PERFORM fraud_state.turns('{}', array_agg(customer_id), array_agg(terminal_id))
    FROM fraud_state.transactions WHERE seq = ANY (seqs);
    DELETE FROM fraud_state.transactions WHERE seq = ANY (seqs);
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;
