// Usage: node scripts/app.mjs <folder of apps> …arguments
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { failWith } from "./fail.mjs";
import { root } from "./places.mjs";
import { prepare } from "./prepare.mjs";

const [app = "", ...args] = process.argv.slice(2);
const node = await prepare().catch((error) => failWith(error.message));
const main = join(root, "apps", app, "src", "main.ts");
// Node warns of its ML-KEM, which the SDK uses where it works (docs/adr/0020-x-wing-of-the-platform.md).
const options = ["--conditions=@sotto/source", "--disable-warning=ExperimentalWarning"];
const child = spawn(node, [...options, main, ...args], { stdio: "inherit" });
// The terminal sends its signals to the application as well; here they must only not end the wait for it.
for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("error", (error) => failWith(`The application could not be started: ${error.message}`));
child.once("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
