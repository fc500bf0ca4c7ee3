/**
 * The tables of the store and the functions that write them, as versioned migrations.
 * Never changed once released: what comes later is one more migration at the end.
 *
 * Everything that must hold together happens inside one function call, which is one statement and one transaction: a process
 * that stops in the middle, or a pooler that hands each statement to another connection, cannot split it.
 */

import { LOCK_MS } from './limits.ts'

/** The SQL of each version, from 1. `schema` and `channel` come in already quoted: an identifier and a literal. */
export const MIGRATIONS: readonly ((schema: string, channel: string) => string)[] = [
  tables,
  hostRecords,
  instances,
  origin,
  auditRetention,
]

function tables(schema: string, channel: string): string {
  return `
-- What only the right key opens; see seal-check.ts.
CREATE TABLE seal_check (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  body bytea NOT NULL
);

-- A store that was opened: its audit chain, and the number of its last commit, so that one whose outcome got lost can be asked for.
CREATE TABLE writer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  serial bigint NOT NULL DEFAULT 0,
  outcome jsonb,
  -- The audit chain: where it begins now, where it ends, and what this process sealed about the end it saw last.
  base_seq bigint NOT NULL DEFAULT 0,
  base_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  seq bigint NOT NULL DEFAULT 0,
  hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  anchor bytea
) WITH (fillfactor = 50);

-- Who shares the store right now. The id is the fencing number: each join draws a higher one.
CREATE TABLE member (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  writer bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  -- Since when it has given its signs of life in time: who was cut off itself cannot tell who else is dead.
  steady_since timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE session (
  signer bytea NOT NULL,
  client bytea NOT NULL,
  revision bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (signer, client)
) WITH (fillfactor = 70, toast_tuple_target = 8160);
ALTER TABLE session ALTER body SET STORAGE EXTERNAL;

-- The full parts of a session's memory of answers: written once, so that a request rewrites the last part only.
CREATE TABLE chunk (
  signer bytea NOT NULL,
  client bytea NOT NULL,
  id bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (signer, client, id)
) WITH (toast_tuple_target = 8160);
ALTER TABLE chunk ALTER body SET STORAGE EXTERNAL;

CREATE TABLE claim (
  event_id bytea PRIMARY KEY,
  signer bytea NOT NULL,
  client bytea NOT NULL,
  request bytea NOT NULL,
  at bigint NOT NULL
);
CREATE INDEX claim_at ON claim USING brin (at);

CREATE TABLE offer (
  token text PRIMARY KEY,
  revision bigint NOT NULL,
  body bytea NOT NULL
);

CREATE TABLE signer_key (
  pubkey bytea PRIMARY KEY,
  secret bytea NOT NULL,
  created_at bigint NOT NULL
);

CREATE TABLE client (
  pubkey bytea PRIMARY KEY,
  position bigint GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX client_position ON client (position);

CREATE TABLE outbox (
  id text PRIMARY KEY,
  position bigint GENERATED ALWAYS AS IDENTITY,
  at bigint NOT NULL,
  body bytea NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE outbox ALTER body SET STORAGE EXTERNAL;

-- The record is what counts; type, signer, usr and client repeat parts of it, to find it by.
CREATE TABLE audit (
  chain bigint NOT NULL,
  seq bigint NOT NULL,
  position bigint GENERATED ALWAYS AS IDENTITY,
  at bigint NOT NULL,
  type text NOT NULL,
  signer bytea NOT NULL,
  usr bytea NOT NULL,
  client bytea,
  record bytea NOT NULL,
  prev bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (chain, seq)
) WITH (toast_tuple_target = 8160);
CREATE INDEX audit_position ON audit (position);
CREATE INDEX audit_client ON audit (client, position);
CREATE INDEX audit_at ON audit USING brin (at);

-- Commits changes, each as a whole or not at all: {"groups": [{"claimed": […], "stale": […]}, …], "seq": …, "hash": …} names
-- those that were not made. A group is changes that have no record in common; later groups see earlier ones. In p: the
-- records (n is the change one belongs to) and where their sealed bodies are in b (o from 1, l long).
CREATE FUNCTION commit_changes(
  p_writer bigint, p_serial bigint, p_member bigint, p_keep bigint, p_anchor bytea, p_groups jsonb, b bytea
) RETURNS jsonb LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $function$
DECLARE
  p jsonb;
  oldest bigint;
  claimed int[];
  stale int[];
  late int[];
  bad int[];
  wanted int;
  written int;
  chain_seq bigint;
  chain_hash bytea;
  text_hash bytea;
  entry record;
  results jsonb := '[]';
  result jsonb;
BEGIN
  -- A role or database that trades durability for speed does so for others.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;

  -- Waits for a member that is joining: what it is not told, it finds.
  LOCK TABLE member IN ROW SHARE MODE;
  IF p_member IS NOT NULL THEN
    -- Held to the end: whoever takes this member for dead waits until this commit is visible, or sees it refused.
    PERFORM 1 FROM member WHERE id = p_member FOR KEY SHARE;
    IF NOT FOUND THEN
      RETURN '{"fenced": true}';
    END IF;
  END IF;

  SELECT seq, hash INTO chain_seq, chain_hash
    FROM writer WHERE id = p_writer AND serial = p_serial - 1 FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'commit % comes late', p_serial USING ERRCODE = 'NS001';
  END IF;

  FOR p IN SELECT * FROM jsonb_array_elements(p_groups) LOOP
  oldest := (p->>'now')::bigint - p_keep;

  SELECT coalesce(array_agg(i.n), '{}') INTO stale
    FROM jsonb_to_recordset(p->'sessions') AS i(n int, s text, c text, r bigint)
    LEFT JOIN LATERAL (
      SELECT revision FROM session WHERE signer = decode(i.s, 'hex') AND client = decode(i.c, 'hex') FOR NO KEY UPDATE
    ) AS stored ON true
    WHERE coalesce(stored.revision, 0) <> i.r;
  stale := stale || (
    SELECT coalesce(array_agg(i.n), '{}')
    FROM jsonb_to_recordset(p->'offers') AS i(n int, t text, r bigint)
    LEFT JOIN LATERAL (SELECT revision FROM offer WHERE token = i.t FOR NO KEY UPDATE) AS stored ON true
    WHERE coalesce(stored.revision, 0) <> i.r
  );

  -- After the locks on the sessions, so that whoever lost them sees the claims of who had them.
  SELECT coalesce(array_agg(DISTINCT i.n), '{}') INTO claimed
    FROM jsonb_to_recordset(p->'claims') AS i(n int, e text)
    JOIN claim ON claim.event_id = decode(i.e, 'hex')
    WHERE claim.at >= oldest;
  bad := claimed || stale;

  IF p->'claims' IS NOT NULL THEN
    WITH wanted AS (
      SELECT i.n, decode(i.e, 'hex') AS event_id, i.s, i.c, substring(b FROM i.o FOR i.l) AS request, i.a
      FROM jsonb_to_recordset(p->'claims') AS i(n int, e text, s text, c text, o int, l int, a bigint)
      WHERE i.n <> ALL (bad)
    ), written AS (
      INSERT INTO claim AS c (event_id, signer, client, request, at)
        SELECT event_id, decode(wanted.s, 'hex'), decode(wanted.c, 'hex'), request, a FROM wanted
        ON CONFLICT (event_id) DO UPDATE
          SET signer = excluded.signer, client = excluded.client, request = excluded.request, at = excluded.at
          WHERE c.at < oldest
        RETURNING event_id
    )
    -- What another process claimed at this very moment was not written.
    SELECT coalesce(array_agg(DISTINCT wanted.n), '{}') INTO late
      FROM wanted WHERE NOT EXISTS (SELECT 1 FROM written WHERE written.event_id = wanted.event_id);
    IF cardinality(late) > 0 THEN
      -- The other claims of these changes were.
      DELETE FROM claim USING jsonb_to_recordset(p->'claims') AS i(n int, e text)
        WHERE claim.event_id = decode(i.e, 'hex') AND i.n = ANY (late) AND claim.xmin = pg_current_xact_id()::xid;
      claimed := claimed || late;
      bad := bad || late;
    END IF;
  END IF;

  IF p->'sessions' IS NOT NULL THEN
    SELECT count(*) INTO wanted FROM jsonb_to_recordset(p->'sessions') AS i(n int, r bigint, o int)
      WHERE i.n <> ALL (bad) AND i.r = 0 AND i.o IS NOT NULL;
    IF wanted > 0 THEN
      INSERT INTO session (signer, client, revision, body)
        SELECT decode(i.s, 'hex'), decode(i.c, 'hex'), 1, substring(b FROM i.o FOR i.l)
        FROM jsonb_to_recordset(p->'sessions') AS i(n int, s text, c text, r bigint, o int, l int)
        WHERE i.n <> ALL (bad) AND i.r = 0 AND i.o IS NOT NULL
        ON CONFLICT DO NOTHING;
      GET DIAGNOSTICS written = ROW_COUNT;
      IF written <> wanted THEN
        RAISE EXCEPTION 'a session was faster' USING ERRCODE = 'NS002';
      END IF;
    END IF;
    UPDATE session SET revision = i.r + 1, body = substring(b FROM i.o FOR i.l)
      FROM jsonb_to_recordset(p->'sessions') AS i(n int, s text, c text, r bigint, o int, l int)
      WHERE session.signer = decode(i.s, 'hex') AND session.client = decode(i.c, 'hex')
        AND i.n <> ALL (bad) AND i.r > 0 AND i.o IS NOT NULL;
    DELETE FROM session USING jsonb_to_recordset(p->'sessions') AS i(n int, s text, c text, o int)
      WHERE session.signer = decode(i.s, 'hex') AND session.client = decode(i.c, 'hex')
        AND i.n <> ALL (bad) AND i.o IS NULL;
    -- All parts but those to keep, where the process does not know what is stored, or the session is forgotten.
    DELETE FROM chunk USING jsonb_to_recordset(p->'sessions') AS i(n int, s text, c text, k jsonb)
      WHERE chunk.signer = decode(i.s, 'hex') AND chunk.client = decode(i.c, 'hex')
        AND i.n <> ALL (bad) AND i.k IS NOT NULL AND NOT i.k @> to_jsonb(chunk.id);
  END IF;
  IF p->'dropped' IS NOT NULL THEN
    DELETE FROM chunk USING jsonb_to_recordset(p->'dropped') AS i(n int, s text, c text, d bigint)
      WHERE chunk.signer = decode(i.s, 'hex') AND chunk.client = decode(i.c, 'hex') AND chunk.id = i.d
        AND i.n <> ALL (bad);
  END IF;
  IF p->'chunks' IS NOT NULL THEN
    INSERT INTO chunk (signer, client, id, body)
      SELECT decode(i.s, 'hex'), decode(i.c, 'hex'), i.d, substring(b FROM i.o FOR i.l)
      FROM jsonb_to_recordset(p->'chunks') AS i(n int, s text, c text, d bigint, o int, l int)
      WHERE i.n <> ALL (bad);
  END IF;

  IF p->'offers' IS NOT NULL THEN
    SELECT count(*) INTO wanted FROM jsonb_to_recordset(p->'offers') AS i(n int, r bigint, o int)
      WHERE i.n <> ALL (bad) AND i.r = 0 AND i.o IS NOT NULL;
    INSERT INTO offer (token, revision, body)
      SELECT i.t, 1, substring(b FROM i.o FOR i.l)
      FROM jsonb_to_recordset(p->'offers') AS i(n int, t text, r bigint, o int, l int)
      WHERE i.n <> ALL (bad) AND i.r = 0 AND i.o IS NOT NULL
      ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> wanted THEN
      RAISE EXCEPTION 'an offer was faster' USING ERRCODE = 'NS002';
    END IF;
    UPDATE offer SET revision = i.r + 1, body = substring(b FROM i.o FOR i.l)
      FROM jsonb_to_recordset(p->'offers') AS i(n int, t text, r bigint, o int, l int)
      WHERE offer.token = i.t AND i.n <> ALL (bad) AND i.r > 0 AND i.o IS NOT NULL;
    DELETE FROM offer USING jsonb_to_recordset(p->'offers') AS i(n int, t text, o int)
      WHERE offer.token = i.t AND i.n <> ALL (bad) AND i.o IS NULL;
  END IF;

  IF p->'keys' IS NOT NULL THEN
    INSERT INTO signer_key (pubkey, secret, created_at)
      SELECT decode(i.k, 'hex'), substring(b FROM i.o FOR i.l), i.a
      FROM jsonb_to_recordset(p->'keys') AS i(n int, k text, o int, l int, a bigint)
      WHERE i.n <> ALL (bad)
      ON CONFLICT (pubkey) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at;
  END IF;
  IF p->'forgotten' IS NOT NULL THEN
    DELETE FROM signer_key USING jsonb_to_recordset(p->'forgotten') AS i(n int, k text)
      WHERE signer_key.pubkey = decode(i.k, 'hex') AND i.n <> ALL (bad);
  END IF;
  IF p->'clients' IS NOT NULL THEN
    -- Those that are known already get the youngest place: a fresh row.
    DELETE FROM client USING jsonb_to_recordset(p->'clients') AS i(n int, k text)
      WHERE client.pubkey = decode(i.k, 'hex') AND i.n <> ALL (bad);
    INSERT INTO client (pubkey)
      SELECT decode(i.k, 'hex') FROM jsonb_to_recordset(p->'clients') AS i(n int, k text)
      WHERE i.n <> ALL (bad)
      ON CONFLICT DO NOTHING;
  END IF;

  IF p->'outbox' IS NOT NULL THEN
    INSERT INTO outbox (id, at, body)
      SELECT i.d, i.a, substring(b FROM i.o FOR i.l)
      FROM jsonb_to_recordset(p->'outbox') AS i(n int, d text, a bigint, o int, l int)
      WHERE i.n <> ALL (bad)
      ON CONFLICT (id) DO UPDATE SET at = excluded.at, body = excluded.body;
  END IF;
  IF p->'published' IS NOT NULL THEN
    DELETE FROM outbox USING jsonb_to_recordset(p->'published') AS i(n int, d text)
      WHERE outbox.id = i.d AND i.n <> ALL (bad);
  END IF;

  IF p->'audit' IS NOT NULL THEN
    -- Whoever reads the log in its order waits for the positions that are drawn here.
    PERFORM pg_advisory_xact_lock_shared('audit'::regclass::oid::bigint);
    FOR entry IN
      SELECT i.a, i.t, i.s, i.u, i.c, substring(b FROM i.o FOR i.l) AS body
      FROM jsonb_to_recordset(p->'audit') AS i(n int, a bigint, t text, s text, u text, c text, o int, l int)
      WHERE i.n <> ALL (bad)
    LOOP
      chain_seq := chain_seq + 1;
      text_hash := sha256(
        convert_to(format('{"chain":"%s","prev":"%s","record":', p_writer, encode(chain_hash, 'hex')), 'UTF8')
        || entry.body || convert_to(format(',"seq":%s}', chain_seq), 'UTF8')
      );
      INSERT INTO audit (chain, seq, at, type, signer, usr, client, record, prev, hash)
        VALUES (p_writer, chain_seq, entry.a, entry.t, decode(entry.s, 'hex'), decode(entry.u, 'hex'),
          decode(entry.c, 'hex'), entry.body, chain_hash, text_hash);
      chain_hash := text_hash;
    END LOOP;
  END IF;

  IF p->'notes' IS NOT NULL AND EXISTS (SELECT 1 FROM member WHERE id IS DISTINCT FROM p_member) THEN
    PERFORM pg_notify(${channel}, note) FROM jsonb_array_elements_text(p->'notes') AS note;
  END IF;

  results := results || jsonb_build_object('claimed', to_jsonb(claimed), 'stale', to_jsonb(stale));
  END LOOP;

  result := jsonb_build_object('groups', results, 'seq', chain_seq, 'hash', encode(chain_hash, 'hex'));
  UPDATE writer SET serial = p_serial, outcome = result, seq = chain_seq, hash = chain_hash,
      anchor = coalesce(p_anchor, anchor)
    WHERE id = p_writer;
  RETURN result;
END
$function$;

-- What became of a commit whose outcome got lost: its outcome if it was made; else null, and it will not be made any more.
CREATE FUNCTION settle_commit(p_writer bigint, p_serial bigint) RETURNS jsonb LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
DECLARE
  made jsonb;
BEGIN
  -- Waits for the commit itself, if it is under way.
  SELECT CASE WHEN serial = p_serial THEN outcome END INTO made FROM writer WHERE id = p_writer FOR UPDATE;
  IF made IS NULL THEN
    UPDATE writer SET serial = p_serial, outcome = NULL WHERE id = p_writer;
  END IF;
  RETURN made;
END
$function$;

-- Waits for the commits that are under way: what they changed is there when the new member looks, later ones tell it.
CREATE FUNCTION join_members(p_writer bigint, p_lease_ms int) RETURNS bigint LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
DECLARE
  joined bigint;
BEGIN
  LOCK TABLE member IN EXCLUSIVE MODE;
  INSERT INTO member (writer, expires_at, steady_since)
    VALUES (p_writer, clock_timestamp() + p_lease_ms * interval '1 ms', clock_timestamp()) RETURNING id INTO joined;
  PERFORM pg_notify(${channel}, '{"members":true}');
  RETURN joined;
END
$function$;

-- A sign of life; takes those for dead that gave none. Returns who is alive and for how long at least, in milliseconds;
-- no row for a member that was itself taken for dead.
CREATE FUNCTION beat(p_member bigint, p_lease_ms int) RETURNS TABLE (alive bigint, remaining int) LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
DECLARE
  moment timestamptz;
  lease interval := p_lease_ms * interval '1 ms';
  steady timestamptz;
BEGIN
  -- One beat at a time; commits go on.
  LOCK TABLE member IN SHARE ROW EXCLUSIVE MODE;
  moment := clock_timestamp();
  UPDATE member
    SET expires_at = moment + lease, steady_since = CASE WHEN expires_at < moment THEN moment ELSE steady_since END
    WHERE id = p_member RETURNING steady_since INTO steady;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  -- One that was cut off, as all are while the database is down, gives the others the time that it took itself. Locked is
  -- who commits just now: the next beat sees it.
  DELETE FROM member WHERE steady <= moment - lease AND id IN (
    SELECT dead.id FROM member AS dead WHERE dead.expires_at < moment FOR UPDATE SKIP LOCKED
  );
  IF FOUND THEN
    PERFORM pg_notify(${channel}, '{"members":true}');
  END IF;
  RETURN QUERY SELECT id, greatest(0, ceil(extract(epoch FROM expires_at - moment) * 1000))::int FROM member;
END
$function$;

-- The last position such that nothing will come before it any more.
CREATE FUNCTION audit_horizon() RETURNS bigint LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
BEGIN
  PERFORM pg_advisory_xact_lock('audit'::regclass::oid::bigint);
  RETURN coalesce((SELECT max(position) FROM audit), 0);
END
$function$;

CREATE FUNCTION leave_members(p_member bigint) RETURNS void LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
BEGIN
  DELETE FROM member WHERE id = p_member;
  IF FOUND THEN
    PERFORM pg_notify(${channel}, '{"members":true}');
  END IF;
END
$function$;
`
}

function hostRecords(schema: string, channel: string): string {
  return `
-- Small records of the host itself, by names that it makes up.
CREATE TABLE host_record (
  name text PRIMARY KEY,
  revision bigint NOT NULL,
  body bytea NOT NULL
);

-- Writes all of them and returns true, or none and returns false if one has another revision. With p_fence no other member commits
-- anything after that before it has joined again.
CREATE FUNCTION write_host_records(
  p_writer bigint, p_member bigint, p_fence boolean, p_changes jsonb, b bytea
) RETURNS boolean LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
DECLARE
  wanted int;
  written int;
BEGIN
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  IF p_fence THEN
    -- Waits for the commits that are under way, and for a member that is joining: that one is fenced as well.
    LOCK TABLE member IN EXCLUSIVE MODE;
  ELSE
    -- Waits for a member that is joining: what it is not told, it finds.
    LOCK TABLE member IN ROW SHARE MODE;
  END IF;

  PERFORM 1 FROM host_record
    WHERE name IN (SELECT i.n FROM jsonb_to_recordset(p_changes) AS i(n text)) ORDER BY name FOR UPDATE;
  IF EXISTS (
    SELECT FROM jsonb_to_recordset(p_changes) AS i(n text, r bigint) LEFT JOIN host_record ON name = i.n
    WHERE coalesce(revision, 0) <> i.r
  ) THEN
    RETURN false;
  END IF;
  SELECT count(*) INTO wanted FROM jsonb_to_recordset(p_changes) AS i(r bigint, o int) WHERE i.r = 0 AND i.o IS NOT NULL;
  INSERT INTO host_record (name, revision, body)
    SELECT i.n, 1, substring(b FROM i.o FOR i.l)
    FROM jsonb_to_recordset(p_changes) AS i(n text, r bigint, o int, l int) WHERE i.r = 0 AND i.o IS NOT NULL
    ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS written = ROW_COUNT;
  IF written <> wanted THEN
    RAISE EXCEPTION 'a host record was faster' USING ERRCODE = 'NS002';
  END IF;
  UPDATE host_record SET revision = i.r + 1, body = substring(b FROM i.o FOR i.l)
    FROM jsonb_to_recordset(p_changes) AS i(n text, r bigint, o int, l int)
    WHERE name = i.n AND i.r > 0 AND i.o IS NOT NULL;
  DELETE FROM host_record USING jsonb_to_recordset(p_changes) AS i(n text, o int) WHERE name = i.n AND i.o IS NULL;

  IF EXISTS (SELECT FROM member WHERE id IS DISTINCT FROM p_member) THEN
    PERFORM pg_notify(${channel}, jsonb_build_object('writer', p_writer::text, 'records', true)::text);
    IF p_fence THEN
      DELETE FROM member WHERE id IS DISTINCT FROM p_member;
      PERFORM pg_notify(${channel}, '{"members":true}');
    END IF;
  END IF;
  RETURN true;
END
$function$;
`
}

function instances(schema: string, channel: string): string {
  return `
-- The names of processes that come back after a restart, and the store that joined under each last: kept when it is gone, so
-- that one that wakes up late learns that its name is another's.
CREATE TABLE instance (
  name text PRIMARY KEY,
  writer bigint NOT NULL,
  joined_at timestamptz NOT NULL
);
ALTER TABLE member ADD instance text UNIQUE;

-- As join_members without a name, but that whoever had the name is a member no more. Null, and no member, for a store that was a
-- member under this name (p_again) and had it taken by another.
CREATE FUNCTION join_members(p_writer bigint, p_lease_ms int, p_instance text, p_again boolean) RETURNS bigint LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
DECLARE
  joined bigint;
BEGIN
  LOCK TABLE member IN EXCLUSIVE MODE;
  IF p_again AND EXISTS (SELECT FROM instance WHERE name = p_instance AND writer <> p_writer) THEN
    RETURN NULL;
  END IF;
  DELETE FROM member WHERE instance = p_instance;
  INSERT INTO member (writer, expires_at, steady_since, instance)
    VALUES (p_writer, clock_timestamp() + p_lease_ms * interval '1 ms', clock_timestamp(), p_instance)
    RETURNING id INTO joined;
  IF p_instance IS NOT NULL THEN
    INSERT INTO instance (name, writer, joined_at) VALUES (p_instance, p_writer, clock_timestamp())
      ON CONFLICT (name) DO UPDATE SET writer = excluded.writer, joined_at = excluded.joined_at;
  END IF;
  PERFORM pg_notify(${channel}, '{"members":true}');
  RETURN joined;
END
$function$;
`
}

function origin(): string {
  return `
-- Where the tables were when they were last opened: elsewhere, they are a restored dump.
CREATE TABLE origin (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  place text NOT NULL,
  server text,
  restored_at bigint
);
`
}

function auditRetention(schema: string): string {
  return `
-- The place up to which a chain is no longer kept, sealed: who has no key cannot drop records unnoticed.
ALTER TABLE writer ADD base_seal bytea;

-- Drops the entries of a chain up to this one, and puts the sealed checkpoint in their place. Nothing happens, and 0 is returned, if
-- somebody else did, or the entry is not what was sealed.
CREATE FUNCTION drop_audit(p_chain bigint, p_seq bigint, p_hash bytea, p_seal bytea) RETURNS int LANGUAGE plpgsql
SET search_path = ${schema}, pg_temp SET lock_timeout = ${LOCK_MS}
AS $function$
DECLARE
  gone int;
BEGIN
  UPDATE writer SET base_seq = p_seq, base_hash = p_hash, base_seal = p_seal
    WHERE id = p_chain AND base_seq < p_seq
      AND EXISTS (SELECT FROM audit WHERE audit.chain = p_chain AND audit.seq = p_seq AND audit.hash = p_hash);
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  DELETE FROM audit WHERE audit.chain = p_chain AND audit.seq <= p_seq;
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END
$function$;
`
}
