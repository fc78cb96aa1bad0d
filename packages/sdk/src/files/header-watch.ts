/** A header for one identity has 184 bytes; others may add to it. A longer one would be held in memory. */
export const maxHeaderBytes = 16_384;

/** Finds out when the header of an age file does not end in time: age's parser would go on collecting it. */
export class HeaderWatch {
  #text: string | undefined = "";

  /** False: the header is longer than one may be. */
  accepts(chunk: Uint8Array): boolean {
    if (this.#text === undefined) return true;
    const left = maxHeaderBytes - this.#text.length;
    this.#text += String.fromCharCode(...chunk.subarray(0, left));
    if (/\n--- [^\n]*\n/.test(this.#text)) this.#text = undefined;
    return this.#text?.length !== maxHeaderBytes;
  }
}
