/** What tests take from `node:fs`, for the browser: the page's server has the repository's `docs` at its root. */
export function readFileSync(url: URL): string {
  const request = new XMLHttpRequest();
  request.open("GET", url, false);
  request.send();
  if (request.status !== 200) throw new Error(`${url.href}: ${request.status}`);
  return request.responseText;
}
