/** Ends the process with a message instead of a stack, which would say nothing to who runs a command. */
export function failWith(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
