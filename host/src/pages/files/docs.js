"use strict";

SwaggerUIBundle({
  // Absolute, because Swagger UI resolves against the server named in the document.
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  docExpansion: "list",
  displayRequestDuration: true,
  filter: true,
  showExtensions: true,
  tryItOutEnabled: true,
  // Nothing leaves for a validator elsewhere.
  validatorUrl: null,
  // A token typed into this page is gone when it is closed.
  persistAuthorization: false,
});
