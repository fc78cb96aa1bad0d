import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// Workspace packages are tested as sources; `module` and `node` are what Vite uses for a server by itself.
const conditions = ["@sotto/source", "module", "node"];
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
};

const isModel = ({ moduleId }: TestSpecification): number => Number(moduleId.endsWith("/sdk-model.test.ts"));

/** The longest file begins first, also where no earlier run has told which one that is. */
class ModelFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- it is the sequencer's.
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => isModel(b) - isModel(a));
  }
}

export default defineConfig({
  test: {
    environment: "node",
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Node warns of its ML-KEM in each process that uses it.
    execArgv: ["--disable-warning=ExperimentalWarning"],
    sequence: { sequencer: ModelFirst },
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
          globalSetup: "apps/server/test/global-setup.ts",
        },
      },
    ],
  },
});
