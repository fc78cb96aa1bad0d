import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { root } from "./places.mjs";

const graceMs = 15_000;
const running = new Set();

/** Runs a command to its end or its time limit; answers whether it went well, how long it took and what it said. */
export async function runStep(command, args, { env, limitMs, isLive = false }) {
  const startedAt = performance.now();
  // A group of its own, so that all of it can be ended by its id.
  const child = spawn(command, args, {
    cwd: root,
    env,
    stdio: ["ignore", isLive ? "inherit" : "pipe", isLive ? "inherit" : "pipe"],
    detached: process.platform !== "win32",
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text) => (output += text));
  const limit = setTimeout(() => {
    output += `\nStopped after ${limitMs / 1000} s.`;
    void endGroup(child);
  }, limitMs);
  const hasPassed = await new Promise((resolve) => {
    child.once("error", (error) => {
      output += error.message;
      resolve(false);
    });
    child.once("close", (code) => resolve(code === 0));
  });
  clearTimeout(limit);
  running.delete(child);
  return { hasPassed, output, seconds: (performance.now() - startedAt) / 1000 };
}

/** Ends the commands that still run, and waits for that. */
export async function endSteps() {
  await Promise.all([...running].map(endGroup));
}

async function endGroup(child) {
  const ended = new Promise((resolve) => child.once("close", () => resolve(true)));
  signalGroup(child, "SIGTERM");
  const timer = new AbortController();
  const isOver = await Promise.race([
    ended,
    pause(graceMs, false, { signal: timer.signal }).catch(() => false),
  ]);
  timer.abort();
  if (!isOver) signalGroup(child, "SIGKILL");
}

function signalGroup(child, signal) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(process.platform === "win32" ? child.pid : -child.pid, signal);
  } catch {
    // It has just ended.
  }
}
