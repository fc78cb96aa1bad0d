import { expect } from "vitest";

export const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const timeMs = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

export const aUuidV7: unknown = expect.stringMatching(uuidV7);
export const aTime: unknown = expect.stringMatching(timeMs);
