import type { Contract, DeviceId, Procedure, UserId } from "@sotto/schema";
import type { z } from "zod";
import type { App } from "../app.ts";
import type { SessionId } from "../modules/accounts/accounts.tables.ts";

/** Who calls: the user and session of a verified token. */
export interface Caller {
  userId: UserId;
  sessionId: SessionId;
  /** The device that the token published last. */
  deviceId: DeviceId | null;
  expiresAt: number;
}

export interface DeviceCaller extends Caller {
  deviceId: DeviceId;
}

/** One call of a procedure. */
export interface Call<C extends Caller | null = Caller> {
  app: App;
  caller: C;
  /** In the answer's `X-Request-ID`, and in what is logged of the call. */
  requestId: string;
  /** The address that the request came from, for limits. */
  address: string;
  /** REST's `Idempotency-Key`, where the procedure honours it, with a hash of the request; of an upload, of what was read. */
  idempotency?: { key: string; hashRequest: () => Buffer };
}

/** The raw bytes of an upload as they arrive; to be read once. */
export interface UploadBody extends AsyncIterable<Uint8Array> {
  /** `Content-Length`, where the client sent one. */
  announcedBytes: number | undefined;
}

/** One call of an upload. */
export interface UploadCall<C extends Caller | null = Caller> extends Call<C> {
  body: UploadBody;
}

/** Bytes from `start` up to and with `end`. */
export interface ByteRange {
  start: number;
  end: number;
}

/** What a download answers. */
export type DownloadAnswer<Output> =
  | {
      /** Bytes that never change under their `etag`. The door answers ranges and conditions. */
      kind: "bytes";
      contentType: string;
      filename: string | null;
      sizeBytes: number;
      etag: string;
      open: (range: ByteRange, signal: AbortSignal) => AsyncIterable<Uint8Array>;
    }
  | {
      /** Written as it is made: JSON in snake_case, or whatever the type says. */
      kind: "stream";
      contentType: string;
      filename: string | null;
      open: (signal: AbortSignal) => AsyncIterable<Uint8Array | string>;
    }
  | { kind: "json"; value: Output };

/** One call of a subscription, which lasts until what it gives is disposed of. */
export interface SubscriptionCall<C extends Caller | null, Event> extends Call<C> {
  /** Where the events go; over HTTP nowhere. */
  subscriber?: Subscriber<Event>;
}

export interface Subscriber<Event> {
  socket: SubscriberSocket;
  send(event: Event): void;
}

/** What a subscription needs of its transport. */
export interface SubscriberSocket {
  connectionId: string;
  /** Bytes handed to the socket and not yet taken by the network. */
  bufferedBytes(): number;
  close(code: number, reason: string): void;
}

type CallerOf<P extends Procedure> = P["access"] extends "public"
  ? null
  : P["access"] extends "device"
    ? DeviceCaller
    : Caller;

type CallOf<P extends Procedure> = P["kind"] extends "upload"
  ? UploadCall<CallerOf<P>>
  : P["kind"] extends "subscription"
    ? SubscriptionCall<CallerOf<P>, z.output<P["output"]>>
    : Call<CallerOf<P>>;

type Handler<P extends Procedure> = (
  call: CallOf<P>,
  input: z.output<P["input"]>,
) => P["kind"] extends "subscription"
  ? Disposable
  : P["kind"] extends "download"
    ? Promise<DownloadAnswer<z.output<P["output"]>>>
    : Promise<z.output<P["output"]>>;

/** The procedures of one area, exactly as the contract has them. */
export type Handlers<Area extends keyof Contract> = {
  [Name in keyof Contract[Area]]: Contract[Area][Name] extends Procedure
    ? Handler<Contract[Area][Name]>
    : never;
};

/** Every procedure of the contract. */
export type AllHandlers = { [Area in keyof Contract]: Handlers<Area> };
