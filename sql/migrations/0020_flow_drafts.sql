-- Drafts: a flow has one at most, kept as it was written, with what was found wrong with it.
ALTER TABLE flow_version
    ADD COLUMN source text,                            -- as somebody wrote it; none: only the definition is known
    ADD COLUMN errors integer NOT NULL DEFAULT 0 CHECK (errors >= 0),
    ADD COLUMN warnings integer NOT NULL DEFAULT 0 CHECK (warnings >= 0),
    ADD CHECK (errors = 0 OR status = 'draft');
CREATE UNIQUE INDEX flow_version_current ON flow_version (tenant_id, flow_id, status) WHERE status IN ('draft', 'published');
