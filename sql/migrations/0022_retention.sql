-- What a business keeps for a time only: the application itself may only append to `step`.

-- Steps, named by their ids, of flow sessions that are over: of the tenant that is set, and of nobody without one.
CREATE FUNCTION erase_steps(ids uuid[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE tenant bigint := nullif(current_setting('app.tenant_id', true), '')::bigint; erased integer;
BEGIN
    IF tenant IS NULL THEN RAISE EXCEPTION 'no tenant'; END IF;
    DELETE FROM public.step t WHERE t.tenant_id = tenant AND t.id = ANY (ids)
    AND EXISTS (SELECT FROM public.flow_session s WHERE s.tenant_id = tenant AND s.id = t.flow_session_id AND s.ended_at IS NOT NULL);
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$;
REVOKE ALL ON FUNCTION erase_steps FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_steps TO atendeja_app;
