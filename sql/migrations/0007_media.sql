-- Files of ours to be sent. The bytes lie under MEDIA_DIR by their SHA-256; a row without them was never written.
CREATE TABLE media (
    tenant_id bigint NOT NULL REFERENCES tenant (id),
    id uuid NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    mime text NOT NULL CHECK (mime <> ''),
    size bigint NOT NULL CHECK (size > 0),
    filename text CHECK (filename <> ''),          -- what people see of a document; never a path
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, sha256, mime, filename)
);

-- Under which id Meta knows a file: each number has to upload it for itself.
CREATE TABLE media_upload (
    tenant_id bigint NOT NULL,
    number_id uuid NOT NULL,
    media_id uuid NOT NULL,
    meta_id text NOT NULL CHECK (meta_id <> ''),
    uploaded_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,               -- a day before Meta forgets it
    PRIMARY KEY (tenant_id, number_id, media_id),
    FOREIGN KEY (tenant_id, number_id) REFERENCES number (tenant_id, id),
    FOREIGN KEY (tenant_id, media_id) REFERENCES media (tenant_id, id)
);
CREATE INDEX media_upload_media ON media_upload (tenant_id, media_id);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['media', 'media_upload'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY tenant ON %I TO atendeja_app USING (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint) '
                       'WITH CHECK (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        EXECUTE format('CREATE POLICY owner ON %I TO atendeja_owner USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO atendeja_app', t);
    END LOOP;
END $$;
