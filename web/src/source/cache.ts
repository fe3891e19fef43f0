// Keeps decoded weights, least recently used out first, and asks once for what several want.
import { decode, type Weights } from "../data/decode";
import { keyOf, type Request, type Transport } from "../types";

const BUDGET = 256 * 2 ** 20;

export class Source {
  #transport: Transport;
  #budget: number;
  #bytes = 0;
  #kept = new Map<string, Weights>();
  #pending = new Map<string, Promise<Weights>>();

  constructor(transport: Transport, budget = BUDGET) {
    this.#transport = transport;
    this.#budget = budget;
  }

  /** The weights if they are at hand, without waiting. */
  peek(request: Request): Weights | undefined {
    return this.#kept.get(keyOf(request));
  }

  get(request: Request): Promise<Weights> {
    const key = keyOf(request);
    const kept = this.#kept.get(key);
    if (kept) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return Promise.resolve(kept);
    }
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = this.#load(key, request).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  async #load(key: string, request: Request): Promise<Weights> {
    const reply = await this.#transport.fetch(request);
    const weights = await decode(reply).catch((cause: unknown) => {
      throw new Error(`The data for "${key}" cannot be read (${cause instanceof Error ? cause.message : cause}). Save or run the view again.`);
    });
    this.#kept.set(key, weights);
    this.#bytes += weights.codes.byteLength;
    for (const [old, value] of this.#kept) {
      if (this.#bytes <= this.#budget || old === key) break;
      this.#kept.delete(old);
      this.#bytes -= value.codes.byteLength;
    }
    return weights;
  }
}
