import { SottoError } from "../errors.ts";
import type { Membership, TabHost, Tabs } from "../tabs.ts";

/** The part of a tab that stands for leader while its host wants it, and joins anew after it was deposed. */
export class TabMembership implements Membership {
  readonly #tabs: Pick<Tabs, "hold" | "post"> & { rejoin(): Promise<void> };
  readonly #host: TabHost;
  #standing: Promise<void> | undefined;
  /** Ends the present leadership, or the wait for one. */
  #withdrawing = new AbortController();
  /** Whatever the host wants: somebody seizes the lead, or this tab is away. */
  #pauses = 0;
  #hasLeft = false;
  /** The store cannot be led with: the host has been told by what failed. */
  #hasFailed = false;
  #rejoining: Promise<void> | undefined;

  constructor(tabs: Pick<Tabs, "hold" | "post"> & { rejoin(): Promise<void> }, host: TabHost) {
    this.#tabs = tabs;
    this.#host = host;
  }

  get #wantsToLead(): boolean {
    return !this.#hasLeft && this.#pauses === 0 && this.#host.wantsToLead;
  }

  async update(): Promise<void> {
    if (this.#wantsToLead) {
      this.#standing ??= this.#stand().finally(() => {
        this.#standing = undefined;
        // It may be wanted again by now.
        if (this.#wantsToLead && !this.#hasFailed) void this.update();
      });
      return;
    }
    this.#withdrawing.abort();
    await this.#standing;
  }

  async seize<T>(task: () => Promise<T>): Promise<T> {
    await this.#pause();
    try {
      const seized = this.#tabs.hold("lead", task);
      // Whoever stands in front of this one goes behind it.
      this.#tabs.post({ type: "step_back" });
      return await seized;
    } finally {
      this.#resume();
    }
  }

  async leave(): Promise<void> {
    this.#hasLeft = true;
    await this.update();
  }

  stepBack(): void {
    this.#withdrawing.abort();
  }

  /** Once, however often it is noticed. */
  rejoin(): Promise<void> {
    this.#rejoining ??= this.#rejoin().finally(() => {
      this.#rejoining = undefined;
    });
    return this.#rejoining;
  }

  async #rejoin(): Promise<void> {
    await this.#pause();
    try {
      await this.#tabs.rejoin();
      if (!this.#hasLeft) await this.#host.reload();
    } finally {
      this.#resume();
    }
  }

  async #pause(): Promise<void> {
    this.#pauses++;
    await this.update();
  }

  #resume(): void {
    this.#pauses--;
    void this.update();
  }

  async #stand(): Promise<void> {
    this.#hasFailed = false;
    while (this.#wantsToLead) {
      this.#withdrawing = new AbortController();
      const { signal } = this.#withdrawing;
      try {
        await this.#tabs.hold("lead", (lost) => this.#lead(AbortSignal.any([signal, lost])), signal);
      } catch (error) {
        if (signal.aborted && error instanceof SottoError && error.code === "ABORTED") continue;
        this.#hasFailed = true;
        return;
      }
    }
  }

  async #lead(until: AbortSignal): Promise<void> {
    try {
      await this.#host.beginLeading();
      await aborted(until);
    } finally {
      await this.#host.endLeading();
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
