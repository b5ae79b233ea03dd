-- What a business keeps of people, and how it finds them.

ALTER TABLE contact ADD COLUMN is_named boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN contact.is_named IS 'somebody here gave the name: what WhatsApp calls the person does not change it';

-- A text as people look for it: without accents, case and punctuation. (No regular expressions: a connection's first takes 0.2 s.)
CREATE FUNCTION fold(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN
    array_to_string(array_remove(string_to_array(translate(lower(normalize(left(said, 200), NFKD)),
        E'\t\n\r!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
        '\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b\u030c\u030d\u030e\u030f\u0310\u0311\u0312\u0313\u0314\u0315\u0316\u0317\u0318\u0319\u031a\u031b\u031c\u031d\u031e\u031f\u0320\u0321\u0322\u0323\u0324\u0325\u0326\u0327\u0328\u0329\u032a\u032b\u032c\u032d\u032e\u032f\u0330\u0331\u0332\u0333\u0334\u0335\u0336\u0337\u0338\u0339\u033a\u033b\u033c\u033d\u033e\u033f\u0340\u0341\u0342\u0343\u0344\u0345\u0346\u0347\u0348\u0349\u034a\u034b\u034c\u034d\u034e\u034f\u0350\u0351\u0352\u0353\u0354\u0355\u0356\u0357\u0358\u0359\u035a\u035b\u035c\u035d\u035e\u035f\u0360\u0361\u0362\u0363\u0364\u0365\u0366\u0367\u0368\u0369\u036a\u036b\u036c\u036d\u036e\u036f',
        repeat(' ', 35)), ' '), ''), ' ');

-- Under which terms a contact is found. `s:` what is searched by its beginning: each of the first words of the name with what follows,
-- the user name, the telephone number with and without what comes before the subscriber's part. `t:` tags, `f:` fields: found whole.
CREATE FUNCTION contact_terms(name text, username text, phone text, tags text[], fields jsonb) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 's:' || left(array_to_string(words[n:], ' '), 60) FROM (SELECT string_to_array(fold(name), ' ') AS words) AS w, generate_series(1, least(cardinality(words), 8)) AS n
    UNION SELECT 's:' || fold(username) WHERE fold(username) <> ''
    UNION SELECT 's:' || right(phone, n) FROM (VALUES (8), (9), (11), (20)) AS lengths (n) WHERE n <= length(phone) OR n = 20 AND phone <> ''
    UNION SELECT 't:' || unnest(tags)
    UNION SELECT 'f:' || key || '=' || (value #>> '{}') FROM jsonb_each(fields) WHERE length(value #>> '{}') <= 100
$$;

CREATE TABLE contact_term (
    tenant_id bigint NOT NULL,
    contact_id uuid NOT NULL,
    term text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, term, contact_id),
    FOREIGN KEY (tenant_id, contact_id) REFERENCES contact (tenant_id, id)
);
CREATE INDEX contact_term_contact ON contact_term (tenant_id, contact_id);
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
