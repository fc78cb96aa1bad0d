/**
 * Raised whenever the contract changes; `version.test.ts` holds the fingerprint of each.
 * - 1: accounts, devices, direct conversations, receipts, logs.
 */
export const PROTOCOL_VERSION = 1;
