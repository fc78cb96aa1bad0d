/**
 * draft-connolly-cfrg-xwing-kem, appendix C: seed and eseed of its three vectors follow each other in SHAKE-128 of
 * nothing. Keys and ciphertexts, 1 KB each, stand here as the SHA-256 of their bytes.
 */
import { createHash } from "node:crypto";

const stream = Uint8Array.from(createHash("shake128", { outputLength: 3 * 96 }).digest());

export const sha256Hex = (bytes: Uint8Array | ArrayBuffer): string =>
  createHash("sha256").update(new Uint8Array(bytes)).digest("hex");

export const vectors = [
  {
    pk: "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb",
    ct: "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33",
    ss: "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384",
  },
  {
    pk: "c42ba5f8430d7d2c83739338203819f090e8303ce9c8b02107c272bfa5376916",
    ct: "1661ea86d608a1924ba30840cb0a65f13ae051e3aec9cf0f064efc0bc92f2154",
    ss: "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150",
  },
  {
    pk: "6b080d6b84f095342092fa7a22423e58bd681397ad0ef00eac92bd254db4fa95",
    ct: "d3ca5578500344b5896cffc4fd740c9311946b82951df155e6fd86a7966b43c6",
    ss: "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f",
  },
].map(({ pk, ct, ss }, at) => ({
  pk,
  ct,
  ss,
  at,
  seed: stream.slice(at * 96, at * 96 + 32),
  eseed: stream.slice(at * 96 + 32, at * 96 + 96),
}));
