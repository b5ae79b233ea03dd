-- What a business keeps of people, and how it finds them.

ALTER TABLE contact ADD COLUMN is_named boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN contact.is_named IS 'somebody here gave the name: what WhatsApp calls the person does not change it';

-- A text as people look for it: without accents, case and punctuation.
CREATE FUNCTION fold(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN
    btrim(regexp_replace(regexp_replace(lower(normalize(left(said, 200), NFKD)), '[\u0300-\u036f]', '', 'g'), '[\s!-/:-@\[-`{-~]+', ' ', 'g'));

-- Under which terms a contact is found. `s:` what is searched by its beginning: each of the first words of the name with what follows,
-- the user name, the telephone number with and without what comes before the subscriber's part. `t:` tags, `f:` fields: found whole.
CREATE FUNCTION contact_terms(name text, username text, phone text, tags text[], fields jsonb) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 's:' || left(array_to_string(words[n:], ' '), 60) FROM (SELECT string_to_array(fold(name), ' ') AS words) AS w, generate_series(1, least(cardinality(words), 8)) AS n
    UNION SELECT 's:' || fold(username) WHERE fold(username) <> ''
    UNION SELECT 's:' || right(phone, n) FROM (VALUES (8), (9), (10), (11), (20)) AS lengths (n) WHERE n <= length(phone) OR n = 20 AND phone <> ''
    UNION SELECT 't:' || unnest(tags)
    UNION SELECT 'f:' || key || '=' || (value #>> '{}') FROM jsonb_each(fields) WHERE length(value #>> '{}') <= 100
$$;

CREATE TABLE contact_term (
    tenant_id bigint NOT NULL,
    contact_id uuid NOT NULL,
    term text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, term),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contact (tenant_id, id)
);
CREATE INDEX contact_term_found ON contact_term (tenant_id, term, contact_id);
INSERT INTO contact_term (tenant_id, contact_id, term)
SELECT c.tenant_id, c.id, t.term FROM contact c CROSS JOIN LATERAL contact_terms(c.name, c.username, c.phone, c.tags, c.fields) AS t (term)
WHERE c.merged_into IS NULL AND t.term <> 's:';

ALTER TABLE contact_term ENABLE ROW LEVEL SECURITY;
ALTER TABLE contact_term FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON contact_term TO atendeja_app USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::bigint);
CREATE POLICY owner ON contact_term TO atendeja_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON contact_term TO atendeja_app;

-- Who said so to a purpose, the newest contacts first.
CREATE INDEX consent_said ON consent (tenant_id, purpose, state, contact_id);
