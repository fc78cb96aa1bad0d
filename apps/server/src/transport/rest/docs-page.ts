import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ServerResponse } from "node:http";

const assets: Record<string, string> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
};

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sotto API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="api"><noscript>This page needs JavaScript. The same is in <a href="/openapi.json">openapi.json</a>.</noscript></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({ url: "/openapi.json", domNode: document.getElementById("api"), deepLinking: true, tryItOutEnabled: true });
`;

/** Everything comes from this server, so that the page works offline; styles are set by the page's own script. */
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/** Serves `/docs` and what it loads; false for any other path. */
export async function serveDocs(path: string, response: ServerResponse): Promise<boolean> {
  if (path === "/docs" || path === "/docs/") return answer(response, "text/html; charset=utf-8", page);
  if (path === "/docs/start.js") return answer(response, "text/javascript; charset=utf-8", start);
  const name = path.startsWith("/docs/") ? path.slice("/docs/".length) : "";
  const type = Object.hasOwn(assets, name) ? assets[name] : undefined;
  if (!type) return false;
  const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  return answer(response, type, await readFile(join(folder, name)));
}

function answer(response: ServerResponse, type: string, body: string | Buffer): true {
  response
    .writeHead(200, { ...headers, "content-type": type, "content-length": Buffer.byteLength(body) })
    .end(body);
  return true;
}
