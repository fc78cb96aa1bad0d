/** Stands for what age needs for passphrases, hybrid keys and hardware keys. The SDK makes and opens none of these. */
const absent = new Proxy(() => {}, {
  apply: refuse,
  get: refuse,
});

function refuse(): never {
  throw new Error("this build of age has X25519 recipients alone");
}

export { absent as MLKEM768P256, absent as MLKEM768X25519, absent as p256, absent as scrypt };
