-- Keys of operators are of tenant 0, the installation, as their sign-ins and their log are.
ALTER TABLE api_key DROP CONSTRAINT api_key_tenant_id_fkey;
ALTER TABLE key_route DROP CONSTRAINT key_route_tenant_id_fkey;
