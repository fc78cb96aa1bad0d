/**
 * What Node is told when it runs the server. Without the second, what survives while thousands connect makes the young
 * generation grow, for good (docs/adr/0021-small-sockets.md); the Dockerfile has it too.
 */
export const serverFlags = ["--enable-source-maps", "--max-semi-space-size=16"];
