/** A file there and back, in a page or in a worker that runs the same script. */
import { SottoError, decryptFile, encryptFile } from "@sotto/sdk";

const text = "the quick brown fox";

async function roundTrip(): Promise<string> {
  try {
    const { stream, seal } = await encryptFile(new Blob([text]));
    const ciphertext = new Uint8Array(await new Response(stream).arrayBuffer());
    return await new Response(decryptFile(new Blob([ciphertext]), await seal)).text();
  } catch (error) {
    return error instanceof SottoError ? `${error.code} ${error.retry}` : String(error);
  }
}

const isWorker = typeof document === "undefined";
if (isWorker) void roundTrip().then((result) => globalThis.postMessage(result, { transfer: [] }));

export const files = {
  text,
  roundTrip,
  roundTripInWorker: () =>
    new Promise<unknown>((resolve, reject) => {
      const worker = new Worker("/main.js", { type: "module" });
      worker.addEventListener("message", ({ data }) => resolve(data), { once: true });
      worker.addEventListener("error", ({ message }) => reject(new Error(message)), { once: true });
    }),
};
