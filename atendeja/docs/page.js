// The document of this server, and nothing of anybody else's: no validator, no address taken from the query string.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayOperationId: true,
  validatorUrl: null,
  queryConfigEnabled: false,
  persistAuthorization: false,
});
