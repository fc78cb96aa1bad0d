interface EnvironmentListeners {
  /** The platform has a network again. */
  onNetworkUp: () => void;
  /** The network went, or the page was away: what seems to be connected may not be. */
  onDoubt: () => void;
}

interface Listenable {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** The globals that exist in pages, some also in workers, and none in Node. Named here, since Node's types lack them. */
interface Globals extends Partial<Listenable> {
  document?: (Listenable & { readonly visibilityState: string }) | undefined;
}

/** Listens for what a platform knows of its network and its user. Gives the function that ends it. */
export function watchEnvironment(
  { onNetworkUp, onDoubt }: EnvironmentListeners,
  global = globalThis as unknown as Globals,
): () => void {
  const { document } = global;
  const onVisibility = (): void => {
    if (document?.visibilityState === "visible") onDoubt();
  };
  global.addEventListener?.("online", onNetworkUp);
  global.addEventListener?.("offline", onDoubt);
  // From the cache of the way back, or from a freeze.
  global.addEventListener?.("pageshow", onDoubt);
  document?.addEventListener("resume", onDoubt);
  document?.addEventListener("visibilitychange", onVisibility);
  return () => {
    global.removeEventListener?.("online", onNetworkUp);
    global.removeEventListener?.("offline", onDoubt);
    global.removeEventListener?.("pageshow", onDoubt);
    document?.removeEventListener("resume", onDoubt);
    document?.removeEventListener("visibilitychange", onVisibility);
  };
}
